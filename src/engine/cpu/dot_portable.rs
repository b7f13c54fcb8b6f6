//! Integer dot products in plain Rust, for native tests and tools. `dot_relaxed.rs` says what is computed.

use super::lane::Lane;
use super::simd::F4;

/// Name of the build that these make.
pub const BUILD: &str = "portable";

/// An activation as it is stored.
pub type Quant = i8;

/// Four columns of four rows.
#[derive(Clone, Copy)]
pub struct Weights([u8; 16]);

impl Weights {
    /// Sixteen columns of six bits: the last four are in the top bits of the others.
    #[inline(always)]
    pub fn sixes([a, b, c]: &[Lane; 3]) -> [Self; 4] {
        let last = std::array::from_fn(|i| a.0[i] >> 6 | b.0[i] >> 6 << 2 | c.0[i] >> 6 << 4);
        let [a, b, c] = [a, b, c].map(|lane| Self(lane.0.map(|byte| byte & 0x3f)));
        [a, b, c, Self(last)]
    }

    /// The low and the high nibbles of sixteen bytes.
    #[inline(always)]
    pub fn nibbles(lane: &Lane) -> (Self, Self) {
        (Self(lane.0.map(|byte| byte & 0x0f)), Self(lane.0.map(|byte| byte >> 4)))
    }
}

/// Four activations.
#[derive(Clone, Copy)]
pub struct Acts([Quant; 4]);

impl Acts {
    #[inline(always)]
    pub fn splat(values: &[Quant; 4]) -> Self {
        Self(*values)
    }
}

/// Dot products of four rows.
#[derive(Clone, Copy, Default)]
pub struct Sums([i32; 4]);

impl Sums {
    /// Adds the products of four columns.
    #[inline(always)]
    pub fn dot(&mut self, weights: Weights, acts: Acts) {
        for (row, sum) in self.0.iter_mut().enumerate() {
            for (column, &act) in acts.0.iter().enumerate() {
                *sum += i32::from(weights.0[row * 4 + column]) * i32::from(act);
            }
        }
    }

    /// Nothing to do: these sums have 32 bits.
    #[inline(always)]
    pub fn settle(&mut self) {}

    /// The four rows' sums, less `offset`, as floats.
    #[inline(always)]
    #[allow(clippy::cast_precision_loss, reason = "sums of a block stay below 2^24")]
    pub fn finish(self, offset: i32) -> F4 {
        F4(self.0.map(|sum| (sum - offset) as f32))
    }

    /// 16 · `high` + `low`, less `offset`, as floats.
    #[inline(always)]
    #[allow(clippy::cast_precision_loss, reason = "sums of a block stay below 2^24")]
    pub fn join(high: Self, low: Self, offset: i32) -> F4 {
        F4(std::array::from_fn(|row| (16 * high.0[row] + low.0[row] - offset) as f32))
    }
}

/// Sixteen floats of at most 127 in magnitude as activations, rounded to the nearest; their sum.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "at most 127 in magnitude")]
pub fn round16(values: [F4; 4], out: &mut [Quant; 16]) -> i32 {
    for (out, value) in out.iter_mut().zip(values.iter().flat_map(|v| v.0)) {
        *out = value.round_ties_even() as Quant;
    }
    out.iter().map(|&q| i32::from(q)).sum()
}
