//! The oracle: every op by its naive twin, on dequantised weights, in f32.

use super::{Batch, Engine, SequenceId, WeightSink, keep};
use crate::error::Result;
use crate::kernels::formats::Format;
use crate::kernels::memory::{Cache, DenseMatrix, Memory, SequenceState};
use crate::recording::{MatrixId, Op, Recording, VectorId, View};
use crate::weights::Plan;

/// Runs recordings without any cleverness.
pub struct NaiveEngine {
    recording: Recording,
    formats: Vec<Format>,
    memory: Memory,
    sequences: Vec<Option<SequenceState>>,
}

impl NaiveEngine {
    /// An engine for `recording`, with room for the weights in `plan`.
    pub fn new(recording: Recording, plan: &Plan) -> Self {
        let matrices = plan.matrices.iter().map(|matrix| {
            let (rows, columns) = (matrix.order.len(), matrix.columns);
            DenseMatrix { rows, columns, weights: vec![0.0; rows * columns] }
        });
        let memory = Memory {
            matrices: matrices.collect(),
            vectors: vec![Vec::new(); plan.vectors.len()],
            ropes: recording.ropes.clone(),
            widths: recording.buffers.clone(),
            ..Memory::default()
        };
        let formats = plan.matrices.iter().map(|matrix| matrix.format).collect();
        Self { recording, formats, memory, sequences: Vec::new() }
    }
}

impl WeightSink for NaiveEngine {
    fn rows(&mut self, id: MatrixId, first: usize, bytes: &[u8]) -> Result<()> {
        let (matrix, format) = (&mut self.memory.matrices[id.0], self.formats[id.0]);
        let count = bytes.len() / format.row_bytes(matrix.columns);
        let columns = matrix.columns;
        format.dequantize(bytes, &mut matrix.weights[first * columns..(first + count) * columns]);
        Ok(())
    }

    fn vector(&mut self, id: VectorId, values: Vec<f32>) {
        self.memory.vectors[id.0] = values;
    }
}

impl Engine for NaiveEngine {
    async fn open(&mut self, context: usize) -> Result<SequenceId> {
        let caches = self.recording.caches.iter().map(|shape| Cache {
            keys: vec![0.0; context * shape.key_width],
            values: vec![0.0; context * shape.value_width],
        });
        let states = self.recording.states.iter().map(|&len| vec![0.0; len]);
        Ok(keep(&mut self.sequences, SequenceState { caches: caches.collect(), states: states.collect() }))
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
        m.tokens = batch.tokens.to_vec();
        m.position = batch.position;
        m.first_logits = batch.first_logits;
        m.buffers = m.widths.iter().map(|width| vec![0.0; width * batch.tokens.len()]).collect();
        m.sequence = self.sequences[batch.sequence.0].take().unwrap_or_default();
        if batch.position == 0 {
            m.sequence.states.iter_mut().for_each(|state| state.fill(0.0));
        }
        for op in &self.recording.ops {
            match op {
                Op::Embed(op) => op.naive(m),
                Op::Linear(op) => op.naive(m),
                Op::Norm(op) => op.naive(m),
                Op::Attention(op) => op.naive(m),
                Op::ShortConv(op) => op.naive(m),
                Op::DeltaNet(op) => op.naive(m),
                Op::Experts(op) => op.naive(m),
                Op::Scale(op) => op.naive(m),
                Op::Logits(op) => op.naive(m),
            }
        }
        self.sequences[batch.sequence.0] = Some(std::mem::take(&mut m.sequence));
        Ok(())
    }

    fn logits(&mut self) -> &mut [f32] {
        &mut self.memory.logits
    }

    async fn read(&mut self, x: View) -> Result<Vec<f32>> {
        Ok(self.memory.rows(x))
    }
}
