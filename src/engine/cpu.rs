//! SIMD on the CPU: weights repacked once at load into interleaved rows, activations quantised to 8 bits,
//! integer dot products; one weight block, once unpacked, serves several tokens.

mod activations;
mod attention;
mod experts;
mod lane;
mod linear;
mod math;
mod matrix;
mod project;
#[cfg_attr(target_arch = "wasm32", path = "cpu/simd_wasm.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "cpu/simd_portable.rs")]
mod simd;

use self::attention::RopeAngles;
use self::matrix::Matrix;
pub use self::matrix::matrix_bytes;
use self::project::Projector;
use super::{Batch, Engine, SequenceId, WeightSink, keep};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::embed::Embed;
use crate::kernels::memory::{Cache, Memory, SequenceState};
use crate::recording::{MatrixId, Op, Recording, VectorId};
use crate::weights::Plan;

/// Runs recordings on the CPU.
pub struct CpuEngine {
    recording: Recording,
    matrices: Vec<Matrix>,
    memory: Memory,
    projector: Projector,
    angles: RopeAngles,
    sequences: Vec<Option<SequenceState>>,
}

impl CpuEngine {
    /// An engine for `recording`, with room for the weights in `plan`.
    ///
    /// # Errors
    /// `out_of_memory`
    pub fn new(recording: Recording, plan: &Plan) -> Result<Self> {
        let matrices =
            plan.matrices.iter().map(|matrix| Matrix::new(matrix.format, matrix.order.len(), matrix.columns));
        let memory = Memory {
            vectors: vec![Vec::new(); plan.vectors.len()],
            ropes: recording.ropes.clone(),
            widths: recording.buffers.clone(),
            buffers: vec![Vec::new(); recording.buffers.len()],
            ..Memory::default()
        };
        Ok(Self {
            matrices: matrices.collect::<Result<_>>()?,
            recording,
            memory,
            projector: Projector::default(),
            angles: RopeAngles::default(),
            sequences: Vec::new(),
        })
    }

    fn embed(&mut self, op: &Embed) {
        for t in 0..self.memory.tokens.len() {
            let token = self.memory.tokens[t] as usize;
            let y = self.memory.slice_mut(op.y, t);
            self.matrices[op.table.0].row(token, y);
            y.iter_mut().for_each(|v| *v *= op.scale);
        }
    }

    fn op(&mut self, op: &Op) {
        let m = &mut self.memory;
        match op {
            Op::Embed(op) => self.embed(op),
            Op::Linear(op) => self.projector.linear(op, &self.matrices, m),
            Op::Logits(op) => self.projector.logits(op, &self.matrices, m),
            Op::Attention(op) => attention::run(op, m, &self.angles),
            Op::Experts(op) => experts::run(op, &self.matrices, &mut self.projector, m),
            // Small next to the projections: the naive twins serve.
            Op::Norm(op) => op.naive(m),
            Op::ShortConv(op) => op.naive(m),
            Op::DeltaNet(op) => op.naive(m),
            Op::Scale(op) => op.naive(m),
        }
    }
}

impl WeightSink for CpuEngine {
    fn rows(&mut self, id: MatrixId, first: usize, bytes: &[u8]) -> Result<()> {
        self.matrices[id.0].write(first, bytes);
        Ok(())
    }

    fn vector(&mut self, id: VectorId, values: Vec<f32>) {
        self.memory.vectors[id.0] = values;
    }
}

/// A zeroed vector, or `out_of_memory`.
fn zeroed<T: Clone + Default>(len: usize, what: &str) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| {
        let megabytes = (len * size_of::<T>()) >> 20;
        Error::new(ErrorKind::OutOfMemory, format!("{megabytes} MB for {what} are not to be had"))
            .with_hint("Choose a smaller model or quantization, or a shorter context.")
    })?;
    values.resize(len, T::default());
    Ok(values)
}

impl Engine for CpuEngine {
    fn open(&mut self, context: usize) -> Result<SequenceId> {
        let cache = |width: usize| zeroed(context * width, "the key-value cache");
        let caches = self
            .recording
            .caches
            .iter()
            .map(|shape| Ok(Cache { keys: cache(shape.key_width)?, values: cache(shape.value_width)? }));
        let caches = caches.collect::<Result<_>>()?;
        let states = self.recording.states.iter().map(|&len| vec![0.0; len]).collect();
        Ok(keep(&mut self.sequences, SequenceState { caches, states }))
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences[sequence.0] = None;
    }

    fn copy(&mut self, from: SequenceId, to: SequenceId, tokens: usize) -> Result<()> {
        let mut target = self.sequences[to.0].take().unwrap_or_default();
        if let Some(source) = &self.sequences[from.0] {
            target.copy_from(source, &self.recording.caches, tokens);
        }
        self.sequences[to.0] = Some(target);
        Ok(())
    }

    async fn run(&mut self, batch: Batch<'_>) -> Result<()> {
        let m = &mut self.memory;
        m.tokens.clear();
        m.tokens.extend_from_slice(batch.tokens);
        m.position = batch.position;
        m.first_logits = batch.first_logits;
        for (buffer, width) in m.buffers.iter_mut().zip(&m.widths) {
            buffer.resize(width * batch.tokens.len(), 0.0);
        }
        m.sequence = self.sequences[batch.sequence.0].take().unwrap_or_default();
        if batch.position == 0 {
            m.sequence.states.iter_mut().for_each(|state| state.fill(0.0));
        }
        self.angles.update(&self.recording.ropes, batch.position, batch.tokens.len());
        let ops = std::mem::take(&mut self.recording.ops);
        ops.iter().for_each(|op| self.op(op));
        self.recording.ops = ops;
        self.sequences[batch.sequence.0] = Some(std::mem::take(&mut self.memory.sequence));
        Ok(())
    }

    fn logits(&mut self) -> &mut [f32] {
        &mut self.memory.logits
    }
}
