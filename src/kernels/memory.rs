//! Everything a naive twin reads and writes: plain f32, nothing clever.

use crate::recording::{CacheShape, MatrixId, RopeTable, VectorId, View};

/// A dequantised weight matrix.
#[derive(Debug, Clone, Default)]
pub struct DenseMatrix {
    /// Number of rows.
    pub rows: usize,
    /// Length of a row.
    pub columns: usize,
    /// `[rows, columns]`
    pub weights: Vec<f32>,
}

impl DenseMatrix {
    /// Row `row`.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.weights[row * self.columns..][..self.columns]
    }
}

/// Keys and values of one layer, `[context, width]` each.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// Rotated keys.
    pub keys: Vec<f32>,
    /// Values.
    pub values: Vec<f32>,
}

/// State of one sequence.
#[derive(Debug, Clone, Default)]
pub struct SequenceState {
    /// Per cache of the recording.
    pub caches: Vec<Cache>,
    /// Per recurrent state of the recording.
    pub states: Vec<Vec<f32>>,
}

impl SequenceState {
    /// Takes over the first `tokens` positions of `source`'s caches, whose shapes are given, and its recurrent states.
    pub fn copy_from(&mut self, source: &SequenceState, shapes: &[CacheShape], tokens: usize) {
        for ((to, from), shape) in self.caches.iter_mut().zip(&source.caches).zip(shapes) {
            let (keys, values) = (tokens * shape.key_width, tokens * shape.value_width);
            to.keys[..keys].copy_from_slice(&from.keys[..keys]);
            to.values[..values].copy_from_slice(&from.values[..values]);
        }
        self.states.clone_from(&source.states);
    }
}

/// What one run of a recording works on.
#[derive(Debug, Default)]
pub struct Memory {
    /// Weight matrices by id.
    pub matrices: Vec<DenseMatrix>,
    /// Vectors by id.
    pub vectors: Vec<Vec<f32>>,
    /// Rotary tables by index.
    pub ropes: Vec<RopeTable>,
    /// Activation buffers, `[tokens, width]` each.
    pub buffers: Vec<Vec<f32>>,
    /// Their widths.
    pub widths: Vec<usize>,
    /// Ids of the batch.
    pub tokens: Vec<u32>,
    /// Position of the first of them in the sequence.
    pub position: usize,
    /// Caches and recurrent states.
    pub sequence: SequenceState,
    /// First row of the batch whose logits are wanted.
    pub first_logits: usize,
    /// `[wanted rows, vocabulary]`
    pub logits: Vec<f32>,
}

impl Memory {
    /// A copy of `view`'s row for batch token `token`.
    pub fn row(&self, view: View, token: usize) -> Vec<f32> {
        self.slice(view, token).to_vec()
    }

    /// `view`'s row for batch token `token`.
    pub fn slice(&self, view: View, token: usize) -> &[f32] {
        &self.buffers[view.buf.0][token * self.widths[view.buf.0] + view.offset..][..view.width]
    }

    /// `view`'s rows for all tokens of the batch, `[tokens, width]`.
    pub fn rows(&self, view: View) -> Vec<f32> {
        (0..self.tokens.len()).flat_map(|token| self.slice(view, token)).copied().collect()
    }

    /// `view`'s row for batch token `token`, to be written.
    pub fn slice_mut(&mut self, view: View, token: usize) -> &mut [f32] {
        &mut self.buffers[view.buf.0][token * self.widths[view.buf.0] + view.offset..][..view.width]
    }

    /// A weight matrix.
    pub fn matrix(&self, id: MatrixId) -> &DenseMatrix {
        &self.matrices[id.0]
    }

    /// A vector.
    pub fn vector(&self, id: VectorId) -> &[f32] {
        &self.vectors[id.0]
    }

    /// Rotates `head` (one head's query or key) for `position`: pairs (i, i + n), n frequencies.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "angles in f64, values in f32"
    )]
    pub fn rotate(&self, rope: usize, position: usize, head: &mut [f32]) {
        let RopeTable { frequencies, scale } = &self.ropes[rope];
        let half = frequencies.len();
        for (i, frequency) in frequencies.iter().enumerate() {
            let (sin, cos) = (position as f64 * frequency).sin_cos();
            let (sin, cos) = (sin as f32 * scale, cos as f32 * scale);
            let (a, b) = (head[i], head[i + half]);
            head[i] = a * cos - b * sin;
            head[i + half] = a * sin + b * cos;
        }
    }
}

/// `Σ a[i] · b[i]`
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
