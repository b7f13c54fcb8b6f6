//! Integer dot products with plain SIMD: bytes are widened to 16 bits first. `dot_relaxed.rs` says what is computed.

use core::arch::wasm32::*;

use super::lane::Lane;
use super::simd::{Bytes, F4, Fine, FineSums, load, nearest, sixes};

/// Name of the build that these make.
pub const BUILD: &str = "simd";

/// An activation as it is stored: wide, because the dot product takes 16 bits.
pub type Quant = i16;

/// Four columns of four rows.
#[derive(Clone, Copy)]
pub struct Weights(Bytes);

impl Weights {
    /// Sixteen columns of six bits: the last four are in the top bits of the others.
    #[inline(always)]
    pub fn sixes(lanes: &[Lane; 3]) -> [Self; 4] {
        sixes(lanes).map(|bytes| Self(Bytes::unsigned(bytes)))
    }

    /// The low and the high nibbles of sixteen bytes.
    #[inline(always)]
    pub fn nibbles(lane: &Lane) -> (Self, Self) {
        let bytes = load(lane);
        let nibble = u8x16_splat(0x0f);
        let (low, high) = (v128_and(bytes, nibble), v128_and(u16x8_shr(bytes, 4), nibble));
        (Self(Bytes::unsigned(low)), Self(Bytes::unsigned(high)))
    }
}

/// Four activations.
pub type Acts = Fine;

/// Dot products of four rows.
#[derive(Clone, Copy, Default)]
pub struct Sums(FineSums);

impl Sums {
    /// Adds the products of four columns.
    #[inline(always)]
    pub fn dot(&mut self, weights: Weights, acts: Acts) {
        self.0.dot(weights.0, acts);
    }

    /// Nothing to do: these sums have 32 bits.
    #[inline(always)]
    pub fn settle(&mut self) {}

    /// The four rows' sums, less `offset`, as floats.
    #[inline(always)]
    pub fn finish(self, offset: i32) -> F4 {
        F4(f32x4_convert_i32x4(i32x4_sub(self.0.total(), i32x4_splat(offset))))
    }

    /// 16 · `high` + `low`, less `offset`, as floats.
    #[inline(always)]
    pub fn join(high: Self, low: Self, offset: i32) -> F4 {
        let sum = i32x4_add(i32x4_shl(high.0.total(), 4), low.0.total());
        F4(f32x4_convert_i32x4(i32x4_sub(sum, i32x4_splat(offset))))
    }
}

/// Sixteen floats of at most 127 in magnitude as activations, rounded to the nearest; their sum.
#[inline(always)]
pub fn round16(values: [F4; 4], out: &mut [Quant; 16]) -> i32 {
    let [a, b, c, d] = values.map(nearest);
    let (low, high) = out.split_at_mut(8);
    // SAFETY: each half is 16 writable bytes; the stores need no alignment.
    unsafe {
        v128_store(low.as_mut_ptr().cast(), i16x8_narrow_i32x4(a, b));
        v128_store(high.as_mut_ptr().cast(), i16x8_narrow_i32x4(c, d));
    }
    super::simd::sum(i32x4_add(i32x4_add(a, b), i32x4_add(c, d)))
}
