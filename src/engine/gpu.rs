//! WebGPU: the recording as a list of compute dispatches, made once and encoded into one pass per run.
//! The same kernels run natively on Vulkan, for tests.

/// A kernel's text, as the build script left it.
macro_rules! wgsl {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $name, ".wgsl"))
    };
}

mod abilities;
mod arena;
mod attention;
mod device;
mod flight;
mod linear;
mod open;
mod piece;
mod planes;
mod product;
mod program;
mod programs;
mod recurrent;
mod sequence;
mod shaders;
mod stores;
#[cfg(test)]
mod tests;
mod transfer;
mod tuning;
mod vectors;

use std::mem;

use self::arena::{Arena, Place};
use self::attention::splits;
pub use self::device::Adapter;
use self::device::Device;
use self::flight::Flights;
pub use self::open::Gpu;
pub use self::piece::RunCost;
use self::piece::{End, RunWords};
use self::program::{Depth, Grid, NONE, Step};
use self::programs::Programs;
use self::sequence::Sequence;
use self::shaders::{Shaders, bind};
use self::stores::Stores;
use self::transfer::Transfer;
pub use self::tuning::{Tiles, Tuning};
use self::vectors::{Vectors, rope_table};
use super::{Batch, Engine, Pick, SequenceId, WeightSink, keep, quantizes_cache};
use crate::error::{Result, bail};
use crate::kernels::formats::Format;
use crate::recording::{MatrixId, Recording, VectorId, View};
use crate::weights::Plan;

/// Runs recordings on a GPU.
pub struct GpuEngine {
    device: Device,
    recording: Recording,
    formats: Vec<Format>,
    vocab: usize,
    /// Whether keys and values are kept in 16 bits.
    halves: bool,
    arena: Arena,
    stores: Stores,
    vectors: Vectors,
    shaders: Shaders,
    programs: Programs,
    acts: wgpu::Buffer,
    vector_buffer: wgpu::Buffer,
    run: wgpu::Buffer,
    ids: wgpu::Buffer,
    /// What results are copied to.
    staging: wgpu::Buffer,
    /// Group 0.
    shared: wgpu::BindGroup,
    sequences: Vec<Option<Sequence>>,
    flights: Flights,
    logits: Vec<f32>,
    /// Tokens of the last run.
    last: usize,
    cost: RunCost,
}

impl GpuEngine {
    /// An engine for `recording`, with room for the weights in `plan`.
    ///
    /// # Errors
    /// `webgpu_unavailable`, `out_of_memory`; `self_test_failed` for a kernel that the driver refuses
    pub fn new(gpu: Gpu, recording: Recording, plan: &Plan, vocab: usize) -> Result<Self> {
        let Gpu { device, mut shaders } = gpu;
        let arena = Arena::new(&device, &recording, vocab)?;
        let vectors = Vectors::new(&recording, plan);
        let stores = Stores::new(&device, &recording, plan)?;
        let halves = quantizes_cache(plan);
        let parts = (&arena, &vectors, &stores);
        let programs = Programs::new(&device, &mut shaders, parts, (&recording, vocab), halves)?;
        let acts = device.buffer("activations", arena.bytes());
        let vector_buffer = device.buffer("vectors", vectors.len() * 4);
        for (index, rope) in recording.ropes.iter().enumerate() {
            let table = rope_table(rope);
            device.queue.write_buffer(
                &vector_buffer,
                vectors.rope(index) as u64 * 4,
                bytemuck::cast_slice(&table),
            );
        }
        let run = device.buffer_for(
            "run",
            size_of::<RunWords>(),
            wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        );
        let ids = device.buffer("ids", arena.tokens * 4);
        let staging_usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = device.buffer_for("staging", arena.logits_rows * vocab * 4, staging_usage);
        let resources = [&acts, &vector_buffer, &run, &ids].map(wgpu::Buffer::as_entire_binding);
        let shared = bind(&device, &shaders.run, &resources);
        let flights = Flights::new(&device);
        device.check()?;
        Ok(Self {
            formats: plan.matrices.iter().map(|matrix| matrix.format).collect(),
            device,
            recording,
            vocab,
            halves,
            arena,
            stores,
            vectors,
            shaders,
            programs,
            acts,
            vector_buffer,
            run,
            ids,
            staging,
            shared,
            sequences: Vec::new(),
            flights,
            logits: Vec::new(),
            last: 0,
            cost: RunCost::default(),
        })
    }

    /// Frees all that the engine holds but the GPU itself, for another one.
    pub fn dismantle(self) -> Gpu {
        let Self {
            device,
            shaders,
            stores,
            programs,
            sequences,
            flights,
            acts,
            vector_buffer,
            run,
            ids,
            staging,
            ..
        } = self;
        sequences.iter().flatten().for_each(|sequence| sequence.free(&device));
        stores.free(&device);
        programs.free(&device);
        flights.free(&device);
        [acts, vector_buffer, run, ids, staging].iter().for_each(|buffer| device.free(buffer));
        Gpu { device, shaders }
    }

    /// Computes as `tuning` says from now on.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn retune(&mut self, tuning: Tuning) -> Result<()> {
        self.flights.disown();
        self.shaders.tuning = tuning;
        let parts = (&self.arena, &self.vectors, &self.stores);
        let what = (&self.recording, self.vocab);
        let programs = Programs::new(&self.device, &mut self.shaders, parts, what, self.halves)?;
        mem::replace(&mut self.programs, programs).free(&self.device);
        self.device.check()
    }

    /// What executes the kernels.
    pub fn adapter(&self) -> &Adapter {
        &self.device.adapter
    }

    /// How its kernels compute.
    pub fn tuning(&self) -> Tuning {
        self.shaders.tuning
    }

    /// Whether the device still works.
    ///
    /// # Errors
    /// What it failed with.
    pub fn check(&self) -> Result<()> {
        self.device.check()
    }

    /// Bytes of all buffers.
    pub fn allocated_bytes(&self) -> usize {
        self.device.allocated()
    }

    /// What the last run cost.
    pub fn cost(&self) -> RunCost {
        self.cost
    }

    /// Encodes all dispatches for `tokens` tokens from `position` on into one pass; says how many.
    fn encode(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        state: &Sequence,
        (tokens, position): (usize, usize),
        end: End,
    ) -> usize {
        let mut dispatches = 0;
        let Programs { single, several, likeliest, drawn, .. } = &self.programs;
        let steps = if tokens == 1 { single } else { several };
        let (likeliest, drawn): (&[Step], &[Step]) = match end {
            End::Nothing | End::Logits => (&[], &[]),
            End::Chosen(Pick::Likeliest) => (likeliest, &[]),
            End::Chosen(Pick::Drawn(_)) => (likeliest, drawn),
        };
        let wanted = if end == End::Nothing { 0 } else { tokens };
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_bind_group(0, &self.shared, &[]);
        for step in steps.iter().chain(likeliest).chain(drawn) {
            let (count, y) = match step.grid {
                Grid::Once => (tokens, 1),
                Grid::Tokens(each) => (tokens, tokens.div_ceil(each)),
                Grid::Items(each) => (tokens, tokens * each),
                Grid::Wanted(each) => (wanted, wanted.div_ceil(each)),
                Grid::Rows { each, per } => (tokens, (tokens * each).div_ceil(per)),
            };
            let z = match step.depth {
                Depth::One => 1,
                Depth::Pieces(window) => splits(position, window),
                Depth::IfInPieces(window) => usize::from(splits(position, window) > 1),
            };
            if !step.when.contains(&count) || z == 0 {
                continue;
            }
            pass.set_pipeline(self.shaders.get(step.pipeline));
            pass.set_bind_group(1, &step.operands, &[]);
            if let Some(needed) = step.state {
                pass.set_bind_group(2, state.group(needed), &[]);
            }
            let word = |value: usize| u32::try_from(value).unwrap_or(NONE);
            pass.dispatch_workgroups(word(step.x), word(y), word(z));
            dispatches += 1;
        }
        dispatches
    }
}

impl WeightSink for GpuEngine {
    fn rows(&mut self, id: MatrixId, first: usize, bytes: &[u8]) -> Result<()> {
        let rows = self.stores.rows(id);
        let store = &self.stores.stores[rows.store];
        store.write(&mut self.device, self.formats[id.0], rows.first + first, bytes);
        self.device.check()
    }

    fn vector(&mut self, id: VectorId, values: Vec<f32>) {
        self.device.write(&self.vector_buffer, self.vectors.offset(id) * 4, bytemuck::cast_slice(&values));
    }
}

impl Engine for GpuEngine {
    async fn open(&mut self, context: usize) -> Result<SequenceId> {
        let mut sequence = Sequence::new(self.halves);
        let allocate = || sequence.allocate(&self.device, &self.shaders, &self.recording, context);
        if let Err(error) = self.device.attempt(allocate).await {
            sequence.free(&self.device);
            return Err(error);
        }
        Ok(keep(&mut self.sequences, sequence))
    }

    fn close(&mut self, sequence: SequenceId) {
        self.flights.disown();
        if let Some(sequence) = self.sequences[sequence.0].take() {
            sequence.free(&self.device);
        }
    }

    fn copy(&mut self, from: SequenceId, to: SequenceId, tokens: usize) -> Result<()> {
        self.flights.disown();
        let mut encoder = self.device.wgpu.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if let (Some(source), Some(target)) = (&self.sequences[from.0], &self.sequences[to.0]) {
            target.copy_from(source, &mut encoder, &self.recording, tokens);
        }
        self.device.queue.submit([encoder.finish()]);
        self.device.check()
    }

    async fn run(&mut self, batch: Batch<'_>) -> Result<()> {
        self.run_to(batch).await
    }

    async fn run_to_pick(
        &mut self,
        batch: Batch<'_>,
        pick: Pick,
        ahead: &[Pick],
        _scratch: &mut Vec<f32>,
    ) -> Result<Option<u32>> {
        self.choose(batch, pick, ahead).await
    }

    fn logits(&mut self) -> &mut [f32] {
        &mut self.logits
    }

    async fn read(&mut self, x: View) -> Result<Vec<f32>> {
        if self.last > self.arena.tokens {
            bail!(OutOfMemory, "the GPU has no room for {} tokens at once", self.last);
        }
        let Place { at, stride } = self.arena.place(x);
        let mut rows = vec![0.0; self.last * stride];
        let piece = (self.arena.logits_rows * self.vocab / stride).max(1) * stride;
        for (rows, first) in rows.chunks_mut(piece).zip((at..).step_by(piece)) {
            let mut encoder =
                self.device.wgpu.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let bytes = Some(size_of_val(rows) as u64);
            encoder.copy_buffer_to_buffer(&self.acts, first as u64 * 4, &self.staging, 0, bytes);
            let submission = self.device.queue.submit([encoder.finish()]);
            Transfer::new(&self.staging, rows.len(), submission).arrive(&self.device, rows).await?;
        }
        Ok(rows.chunks_exact(stride).flat_map(|row| &row[..x.width]).copied().collect())
    }
}
