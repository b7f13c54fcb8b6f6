//! Integer dot products with relaxed SIMD: `i16x8.relaxed_dot_i8x16_i7x16` multiplies sixteen pairs of bytes at once and
//! adds neighbours.
//!
//! It is exact on every machine as long as the second operand is in 0..=127, and its 16-bit sums can be added up without
//! overflow for as long as the weights are small: activations being in −127..=127, eight times for weights of four
//! bits, twice for six. Weights of eight bits are split into two nibbles. `dot_simd128.rs` and `dot_portable.rs` have the
//! same names with the same meaning, and the same integers come out.

use core::arch::wasm32::*;

use super::lane::Lane;
use super::simd::{F4, load, nearest, sixes};

/// Name of the build that these make.
pub const BUILD: &str = "relaxed";

/// An activation as it is stored.
pub type Quant = i8;

/// Four columns of four rows.
#[derive(Clone, Copy)]
pub struct Weights(v128);

impl Weights {
    /// Sixteen columns of six bits: the last four are in the top bits of the others.
    #[inline(always)]
    pub fn sixes(lanes: &[Lane; 3]) -> [Self; 4] {
        sixes(lanes).map(Self)
    }

    /// The low and the high nibbles of sixteen bytes.
    #[inline(always)]
    pub fn nibbles(lane: &Lane) -> (Self, Self) {
        let bytes = load(lane);
        let nibble = u8x16_splat(0x0f);
        // Wide shifts are one instruction on most machines, shifts of bytes several.
        (Self(v128_and(bytes, nibble)), Self(v128_and(u16x8_shr(bytes, 4), nibble)))
    }
}

/// Four activations, once for each row.
#[derive(Clone, Copy)]
pub struct Acts(v128);

impl Acts {
    #[inline(always)]
    pub fn splat(values: &[Quant; 4]) -> Self {
        // SAFETY: the reference is to 4 readable bytes; the load needs no alignment.
        Self(unsafe { v128_load32_splat(values.as_ptr().cast()) })
    }
}

/// Dot products of four rows.
#[derive(Clone, Copy)]
pub struct Sums {
    /// Of neighbouring columns, 16 bits each; not settled yet.
    pairs: v128,
    total: v128,
}

impl Default for Sums {
    #[inline(always)]
    fn default() -> Self {
        Self { pairs: i16x8_splat(0), total: i32x4_splat(0) }
    }
}

impl Sums {
    /// Adds the products of four columns. To be settled before 16 bits overflow.
    #[inline(always)]
    pub fn dot(&mut self, weights: Weights, acts: Acts) {
        self.pairs = i16x8_add(self.pairs, i16x8_relaxed_dot_i8x16_i7x16(acts.0, weights.0));
    }

    /// Makes room in the 16 bits.
    #[inline(always)]
    pub fn settle(&mut self) {
        self.total = i32x4_add(self.total, i32x4_extadd_pairwise_i16x8(self.pairs));
        self.pairs = i16x8_splat(0);
    }

    /// The four rows' sums, less `offset`, as floats.
    #[inline(always)]
    pub fn finish(mut self, offset: i32) -> F4 {
        self.settle();
        F4(f32x4_convert_i32x4(i32x4_sub(self.total, i32x4_splat(offset))))
    }

    /// 16 · `high` + `low`, less `offset`, as floats.
    #[inline(always)]
    pub fn join(mut high: Self, mut low: Self, offset: i32) -> F4 {
        high.settle();
        low.settle();
        let sum = i32x4_add(i32x4_shl(high.total, 4), low.total);
        F4(f32x4_convert_i32x4(i32x4_sub(sum, i32x4_splat(offset))))
    }
}

/// Sixteen floats of at most 127 in magnitude as activations, rounded to the nearest; their sum.
#[inline(always)]
pub fn round16(values: [F4; 4], out: &mut [Quant; 16]) -> i32 {
    let [a, b, c, d] = values.map(nearest);
    let bytes = i8x16_narrow_i16x8(i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d));
    // SAFETY: the reference is to 16 writable bytes; the store needs no alignment.
    unsafe { v128_store(out.as_mut_ptr().cast(), bytes) };
    super::simd::sum(i32x4_add(i32x4_add(a, b), i32x4_add(c, d)))
}
