//! Activations quantised to 8 bits, 32 to a scale.

use super::matrix::BLOCK;

/// Half a block: the smallest run of columns with its own weight scale.
pub const HALF: usize = BLOCK / 2;

/// A batch of quantised rows.
#[derive(Default)]
pub struct Activations {
    columns: usize,
    /// `[tokens, columns]`, −127..=127, stored wide because the dot product takes 16 bits.
    pub q: Vec<i16>,
    /// `[tokens, blocks]`
    pub scale: Vec<f32>,
    /// `[tokens, blocks, 2]`: sums of `q` over each half block.
    pub sums: Vec<[i32; 2]>,
}

impl Activations {
    /// Room for rows of `columns`; forgets what was there.
    pub fn reset(&mut self, columns: usize) {
        self.columns = columns;
        self.q.clear();
        self.scale.clear();
        self.sums.clear();
    }

    /// Blocks of a row.
    pub fn blocks(&self) -> usize {
        self.columns / BLOCK
    }

    /// Appends a row.
    #[allow(clippy::cast_possible_truncation, reason = "at most 127 in magnitude")]
    pub fn push(&mut self, row: &[f32]) {
        for block in row.chunks_exact(BLOCK) {
            let largest = block.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            let scale = largest / 127.0;
            let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
            let start = self.q.len();
            self.q.extend(block.iter().map(|v| (v * inverse).round_ties_even() as i16));
            let sum = |half: usize| self.q[start + half * HALF..][..HALF].iter().map(|&q| i32::from(q)).sum();
            self.sums.push([sum(0), sum(1)]);
            self.scale.push(scale);
        }
    }
}
