//! SIMD on the CPU: weights repacked once at load into interleaved rows, activations quantised to 8 bits,
//! integer dot products; one weight block, once unpacked, serves several tokens.

mod activations;
mod attend_quantized;
mod attention;
#[cfg_attr(all(target_arch = "wasm32", target_feature = "relaxed-simd"), path = "cpu/dot_relaxed.rs")]
#[cfg_attr(all(target_arch = "wasm32", not(target_feature = "relaxed-simd")), path = "cpu/dot_simd128.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "cpu/dot_portable.rs")]
mod dot;
mod experts;
mod kv_cache;
mod lane;
mod linear;
mod math;
mod matrix;
mod norm;
mod packing;
mod project;
mod recurrent;
#[cfg_attr(target_arch = "wasm32", path = "cpu/simd_wasm.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "cpu/simd_portable.rs")]
mod simd;
mod team;

use self::attention::Attender;
pub use self::dot::BUILD;
use self::kv_cache::KvCache;
pub use self::kv_cache::cache_bytes_per_token;
use self::linear::Projector;
use self::matrix::Matrix;
pub use self::matrix::matrix_bytes;
use self::recurrent::Recurrence;
use self::team::Team;
#[cfg(target_arch = "wasm32")]
pub use self::team::serve;
use super::{Batch, Engine, SequenceId, WeightSink, keep};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::embed::Embed;
use crate::kernels::experts::Routing;
use crate::kernels::formats::Layout;
use crate::kernels::memory::{Memory, SequenceState};
use crate::recording::{CacheShape, MatrixId, Op, Recording, VectorId, View};
use crate::weights::Plan;

/// Runs recordings on the CPU.
pub struct CpuEngine {
    recording: Recording,
    matrices: Vec<Matrix>,
    memory: Memory,
    team: Team,
    projector: Projector,
    attender: Attender,
    routing: Routing,
    recurrence: Recurrence,
    /// A row of activations, scratch.
    row: Vec<f32>,
    sequences: Vec<Option<Sequence>>,
    /// Those of the sequence that is running.
    caches: Vec<KvCache>,
    quantized_cache: bool,
}

/// A sequence's caches and recurrent states.
#[derive(Default)]
struct Sequence {
    caches: Vec<KvCache>,
    state: SequenceState,
}

/// Whether keys and values are kept in 8 bits: where weights are rounded, they may be too.
pub fn quantizes_cache(plan: &Plan) -> bool {
    plan.matrices.iter().any(|matrix| matches!(matrix.format.layout(), Layout::Quantized(_)))
}

impl CpuEngine {
    /// An engine of `threads` threads for `recording`, with room for the weights in `plan`.
    ///
    /// # Errors
    /// `out_of_memory`
    pub fn new(recording: Recording, plan: &Plan, threads: usize) -> Result<Self> {
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
            team: Team::new(threads),
            projector: Projector::default(),
            attender: Attender::default(),
            routing: Routing::default(),
            recurrence: Recurrence::default(),
            row: Vec::new(),
            sequences: Vec::new(),
            caches: Vec::new(),
            quantized_cache: quantizes_cache(plan),
        })
    }

    /// Threads that it runs on.
    pub fn threads(&self) -> usize {
        self.team.size()
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
            Op::Linear(op) => self.projector.linear(&self.team, op, &self.matrices, m),
            Op::Logits(op) => self.projector.logits(&self.team, op, &self.matrices, m),
            Op::Attention(op) => self.attender.run(op, &self.team, m, &mut self.caches),
            Op::Experts(op) => {
                experts::run(op, &self.team, &self.matrices, &mut self.projector, &mut self.routing, m);
            }
            Op::Norm(op) => norm::run(op, m, &mut self.row),
            Op::ShortConv(op) => self.recurrence.short_conv(op, m),
            Op::DeltaNet(op) => self.recurrence.delta_net(op, &self.team, m),
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
    async fn open(&mut self, context: usize) -> Result<SequenceId> {
        self.attender.reserve(&self.recording.ops, &self.team, context, self.quantized_cache);
        let cache = |&shape: &CacheShape| KvCache::new(shape, context, self.quantized_cache);
        let caches = self.recording.caches.iter().map(cache).collect::<Result<_>>()?;
        let states = self.recording.states.iter().map(|&len| vec![0.0; len]).collect();
        let state = SequenceState { caches: Vec::new(), states };
        Ok(keep(&mut self.sequences, Sequence { caches, state }))
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences[sequence.0] = None;
    }

    fn copy(&mut self, from: SequenceId, to: SequenceId, tokens: usize) -> Result<()> {
        let mut target = self.sequences[to.0].take().unwrap_or_default();
        if let Some(source) = &self.sequences[from.0] {
            let caches = target.caches.iter_mut().zip(&source.caches).zip(&self.recording.caches);
            caches.for_each(|((to, from), shape)| to.copy_from(from, shape, tokens));
            target.state.copy_from(&source.state, &[], tokens);
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
        let sequence = self.sequences[batch.sequence.0].take().unwrap_or_default();
        (m.sequence, self.caches) = (sequence.state, sequence.caches);
        if batch.position == 0 {
            m.sequence.states.iter_mut().for_each(|state| state.fill(0.0));
        }
        self.attender.angles.update(&self.recording.ropes, batch.position, batch.tokens.len());
        let ops = std::mem::take(&mut self.recording.ops);
        ops.iter().for_each(|op| self.op(op));
        self.recording.ops = ops;
        let (state, caches) = (std::mem::take(&mut self.memory.sequence), std::mem::take(&mut self.caches));
        self.sequences[batch.sequence.0] = Some(Sequence { caches, state });
        Ok(())
    }

    fn logits(&mut self) -> &mut [f32] {
        &mut self.memory.logits
    }

    async fn read(&mut self, x: View) -> Result<Vec<f32>> {
        Ok(self.memory.rows(x))
    }
}
