//! A recording as a list of dispatches, with everything made that they are bound to.

use std::ops::RangeInclusive;

use super::arena::{Arena, Place};
use super::device::Device;
use super::planes::Segment;
use super::shaders::{Bindings, Shaders, bind};
use super::stores::Stores;
use super::vectors::Vectors;
use crate::error::Result;
use crate::kernels::norm::NormParams;
use crate::recording::VectorId;

/// What stands for an absent vector or view.
pub const NONE: u32 = u32::MAX;
/// For any number of tokens.
pub const ALWAYS: RangeInclusive<usize> = 1..=usize::MAX;
/// Bytes from one dispatch's parameters to the next one's.
const SLOT: usize = 256;

/// How many workgroups there are in y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// One.
    Once,
    /// One for so many tokens.
    Tokens(usize),
    /// So many for each token.
    Items(usize),
    /// One for so many tokens whose logits are wanted.
    Wanted(usize),
    /// So many rows for each token, of which a workgroup takes some.
    Rows {
        /// Of each token.
        each: usize,
        /// Of a workgroup.
        per: usize,
    },
}

/// How many workgroups there are in z: it depends on the positions that a layer's window, if it has one, lets a token see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// One.
    One,
    /// One for every piece that they are split into.
    Pieces(Option<usize>),
    /// One if there are several pieces, none otherwise.
    IfInPieces(Option<usize>),
}

/// Buffers of the sequence that a kernel works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Keys and values of a cache.
    Cache(usize),
    /// A recurrent state.
    Recurrent(usize),
}

/// One dispatch.
pub struct Step {
    /// Number of the pipeline.
    pub pipeline: usize,
    /// Workgroups in x.
    pub x: usize,
    /// Workgroups in y.
    pub grid: Grid,
    /// Workgroups in z.
    pub depth: Depth,
    /// For how many tokens it runs, or, where only their logits count, for how many of these.
    pub when: RangeInclusive<usize>,
    /// What it needs of the sequence.
    pub state: Option<State>,
    /// Group 1.
    pub operands: wgpu::BindGroup,
}

/// A dispatch in the making.
pub struct Kernel<'a> {
    /// For error messages of the driver.
    pub label: &'a str,
    /// Preludes and kernel.
    pub sources: &'a [&'a str],
    /// Workgroups in x.
    pub x: usize,
    /// Workgroups in y.
    pub grid: Grid,
    /// The kernel's `Params`.
    pub params: Words,
}

/// Members of a uniform struct, four bytes each.
#[derive(Default)]
pub struct Words(Vec<u32>);

impl Words {
    /// An unsigned integer: an offset, a count, a flag.
    #[must_use]
    pub fn u(mut self, value: usize) -> Self {
        // What does not fit is past every buffer, whose sizes are below 2^32 elements.
        self.0.push(u32::try_from(value).unwrap_or(NONE));
        self
    }

    /// A float.
    #[must_use]
    pub fn f(mut self, value: f32) -> Self {
        self.0.push(value.to_bits());
        self
    }

    /// An offset, or that it is absent.
    #[must_use]
    pub fn option(mut self, value: Option<usize>) -> Self {
        self.0.push(value.map_or(NONE, |value| u32::try_from(value).unwrap_or(NONE)));
        self
    }

    /// Rows: offset and stride.
    #[must_use]
    pub fn place(self, place: Place) -> Self {
        self.u(place.at).u(place.stride)
    }
}

/// Makes a program.
pub struct Programmer<'a> {
    /// Where everything is made.
    pub device: &'a Device,
    /// Pipelines.
    pub shaders: &'a mut Shaders,
    /// Activations.
    pub arena: &'a Arena,
    /// Vectors.
    pub vectors: &'a Vectors,
    /// Matrices.
    pub stores: &'a Stores,
    /// Whether one token runs at a time.
    pub single: bool,
    /// Whether caches are in 16 bits.
    pub halves: bool,
    /// Tokens that the next products take rounded, once there are any.
    rounded: Option<wgpu::Buffer>,
    steps: Vec<Step>,
    /// What was made for them.
    buffers: Vec<wgpu::Buffer>,
}

impl<'a> Programmer<'a> {
    /// No steps yet.
    pub fn new(
        device: &'a Device,
        shaders: &'a mut Shaders,
        (arena, vectors, stores): (&'a Arena, &'a Vectors, &'a Stores),
        single: bool,
        halves: bool,
    ) -> Self {
        let (rounded, steps, buffers) = (None, Vec::new(), Vec::new());
        Self { device, shaders, arena, vectors, stores, single, halves, rounded, steps, buffers }
    }

    /// The finished list, and the buffers that nothing else needs.
    pub fn finish(mut self) -> (Vec<Step>, Vec<wgpu::Buffer>) {
        self.buffers.extend(self.rounded);
        (self.steps, self.buffers)
    }

    /// Where a vector begins.
    pub fn vector(&self, id: Option<VectorId>) -> Option<usize> {
        id.map(|id| self.vectors.offset(id))
    }

    /// Parameters of one dispatch, in a buffer of their own.
    fn params(&mut self, words: &Words) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let buffer = self.device.buffer_for("params", SLOT, usage);
        self.device.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&words.0));
        self.buffers.push(buffer.clone());
        buffer
    }

    /// Appends a dispatch of a kernel without weights.
    pub fn push(&mut self, kernel: Kernel<'_>, state: Option<State>) -> Result<()> {
        let bindings = if state.is_some() { Bindings::State } else { Bindings::Plain };
        let params = self.params(&kernel.params);
        let operands = bind(self.device, &self.shaders.plain, &[params.as_entire_binding()]);
        self.append(bindings, kernel, operands, state, ALWAYS)
    }

    /// Appends a dispatch of a kernel that rounds tokens, which take `bytes` at most.
    pub fn push_rounding(
        &mut self,
        kernel: Kernel<'_>,
        bytes: usize,
        when: RangeInclusive<usize>,
    ) -> Result<()> {
        let params = self.params(&kernel.params);
        let rounded = self.rounded.get_or_insert_with(|| self.device.buffer("rounded", bytes));
        let resources = [params.as_entire_binding(), rounded.as_entire_binding()];
        let operands = bind(self.device, &self.shaders.rounding, &resources);
        self.append(Bindings::Rounding, kernel, operands, None, when)
    }

    /// Appends a dispatch of a kernel with the weights of one segment, for as many tokens as `when` says; these have been
    /// rounded if it `takes_rounded`.
    pub fn push_weights(
        &mut self,
        kernel: Kernel<'_>,
        segment: &Segment,
        takes_rounded: bool,
        when: RangeInclusive<usize>,
    ) -> Result<()> {
        let params = self.params(&kernel.params);
        let scales = segment.scales.as_ref().unwrap_or(&segment.quants);
        let mut resources =
            vec![params.as_entire_binding(), segment.quants.as_entire_binding(), scales.as_entire_binding()];
        let mut bindings = (Bindings::Weights, &self.shaders.weights);
        if let Some(rounded) = self.rounded.as_ref().filter(|_| takes_rounded) {
            resources.push(rounded.as_entire_binding());
            bindings = (Bindings::Rounded, &self.shaders.rounded);
        }
        let operands = bind(self.device, bindings.1, &resources);
        self.append(bindings.0, kernel, operands, None, when)
    }

    fn append(
        &mut self,
        bindings: Bindings,
        kernel: Kernel<'_>,
        operands: wgpu::BindGroup,
        state: Option<State>,
        when: RangeInclusive<usize>,
    ) -> Result<()> {
        let Kernel { label, sources, x, grid, .. } = kernel;
        self.device.check_workgroups(label, x)?;
        let pipeline = self.shaders.pipeline(self.device, bindings, label, sources);
        self.steps.push(Step { pipeline, x, grid, depth: Depth::One, when, state, operands });
        Ok(())
    }

    /// Gives the last dispatch a depth.
    pub fn deepen(&mut self, depth: Depth) {
        if let Some(step) = self.steps.last_mut() {
            step.depth = depth;
        }
    }

    /// Appends a kernel that chooses one of `vocab` tokens.
    pub fn choice(&mut self, label: &str, source: &str, vocab: usize) -> Result<()> {
        let params = Words::default().u(self.arena.logits.at).u(vocab).u(self.arena.chosen.at);
        let sources = [wgsl!("choice"), source];
        self.push(Kernel { label, sources: &sources, x: 1, grid: Grid::Once, params }, None)
    }

    /// Appends a norm of `group` columns each, of `width` columns.
    pub fn norm(
        &mut self,
        norm: &NormParams,
        (x, y): (Place, Place),
        (width, group): (usize, usize),
        add: Option<f32>,
    ) -> Result<()> {
        let params = Words::default()
            .place(x)
            .place(y)
            .u(group)
            .u(norm.centred.into())
            .f(norm.eps)
            .option(self.vector(norm.weight))
            .option(self.vector(norm.bias))
            .u(add.is_some().into())
            .f(add.unwrap_or(0.0));
        let reduce = self.shaders.tuning.reduce();
        let sources = [reduce.as_str(), wgsl!("norm")];
        self.push(
            Kernel { label: "norm", sources: &sources, x: width / group, grid: Grid::Tokens(1), params },
            None,
        )
    }
}
