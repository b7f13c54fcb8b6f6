//! Activations quantised to 8 bits, 32 to a scale.

use super::dot::{Quant, round16};
use super::matrix::BLOCK;
use super::simd::F4;
use super::team::Parts;

/// Half a block: the smallest run of columns with its own weight scale.
pub const HALF: usize = BLOCK / 2;

/// What belongs to a block of quantised activations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scale {
    /// One step.
    pub step: f32,
    /// Sums of the quants over each half of the block.
    pub halves: [i32; 2],
    /// Sum of all of them.
    pub sum: i32,
}

/// A batch of quantised rows.
#[derive(Default)]
pub struct Activations {
    columns: usize,
    /// `[tokens, columns]`, −127..=127
    pub q: Vec<Quant>,
    /// `[tokens, blocks]`
    pub scales: Vec<Scale>,
}

/// Rows of a batch that several threads quantise, each its own.
pub struct Rows<'a> {
    columns: usize,
    q: Parts<'a, Quant>,
    scales: Parts<'a, Scale>,
}

impl Activations {
    /// Room for `tokens` rows of `columns`, a multiple of the block.
    pub fn resize(&mut self, tokens: usize, columns: usize) {
        self.columns = columns;
        self.q.resize(tokens * columns, 0);
        self.scales.resize(tokens * columns / BLOCK, Scale::default());
    }

    /// Blocks of a row.
    pub fn blocks(&self) -> usize {
        self.columns / BLOCK
    }

    /// Rows.
    pub fn tokens(&self) -> usize {
        self.q.len() / self.columns.max(1)
    }

    /// Row `t`, by blocks, four columns at a time.
    pub fn row(&self, t: usize) -> &[[[Quant; 4]; BLOCK / 4]] {
        self.q[t * self.columns..][..self.columns].as_chunks::<4>().0.as_chunks::<{ BLOCK / 4 }>().0
    }

    /// The rows, to be written.
    pub fn rows(&mut self) -> Rows<'_> {
        Rows { columns: self.columns, q: Parts::of(&mut self.q), scales: Parts::of(&mut self.scales) }
    }
}

impl Rows<'_> {
    /// Quantises `values`, the row of token `t`.
    ///
    /// # Safety
    /// Nobody else has to do with row `t` meanwhile.
    pub unsafe fn set(&self, t: usize, values: &[f32]) {
        let blocks = self.columns / BLOCK;
        // SAFETY: row `t` is ours by the caller's promise.
        let (q, scales) =
            unsafe { (self.q.get(t * self.columns, self.columns), self.scales.get(t * blocks, blocks)) };
        let values = values.as_chunks::<BLOCK>().0;
        for ((block, q), scale) in values.iter().zip(q.as_chunks_mut::<BLOCK>().0).zip(scales) {
            *scale = quantize(block, q);
        }
    }
}

fn quantize(block: &[f32; BLOCK], q: &mut [Quant; BLOCK]) -> Scale {
    let lanes: [F4; BLOCK / 4] = std::array::from_fn(|i| F4::from_slice(&block.as_chunks::<4>().0[i]));
    let largest = lanes.iter().fold(F4::splat(0.0), |largest, v| largest.max(v.abs())).to_array();
    let largest = largest.into_iter().fold(0.0, f32::max);
    let step = largest / 127.0;
    let inverse = F4::splat(if step > 0.0 { 1.0 / step } else { 0.0 });
    let (low, high) = q.split_at_mut(HALF);
    let half = |half: usize, out: &mut [Quant]| {
        let values = std::array::from_fn(|i| lanes[half * 4 + i].mul(inverse));
        out.as_chunks_mut().0.first_mut().map_or(0, |out| round16(values, out))
    };
    let halves = [half(0, low), half(1, high)];
    Scale { step, halves, sum: halves[0] + halves[1] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_round_to_the_nearest_step() {
        let mut acts = Activations::default();
        let values: Vec<f32> =
            (0..64u8).map(|i| (f32::from(i) * 0.7).sin() * f32::from(1 + i / 32 * 9)).collect();
        acts.resize(1, 64);
        // SAFETY: the only row, and nobody else is there.
        unsafe { acts.rows().set(0, &values) };
        for (block, values) in values.chunks(BLOCK).enumerate() {
            let Scale { step, halves, sum: total } = acts.scales[block];
            let largest = values.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            assert!((step * 127.0 - largest).abs() < 1e-6);
            let q = &acts.q[block * BLOCK..][..BLOCK];
            for (value, &q) in values.iter().zip(q) {
                assert!((value - f32::from(q) * step).abs() <= step * 0.5001, "{value}: {q} steps of {step}");
            }
            let sum = |half: &[Quant]| half.iter().map(|&q| i32::from(q)).sum::<i32>();
            assert_eq!((halves, total), ([sum(&q[..HALF]), sum(&q[HALF..])], sum(q)));
        }
    }

    #[test]
    fn zeros_stay_zeros() {
        let mut acts = Activations::default();
        acts.resize(1, BLOCK);
        // SAFETY: the only row, and nobody else is there.
        unsafe { acts.rows().set(0, &[0.0; BLOCK]) };
        assert_eq!((acts.scales[0].step, acts.scales[0].sum), (0.0, 0));
    }
}
