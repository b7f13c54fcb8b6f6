//! Integer dot products with plain SIMD: bytes are widened to 16 bits first. `dot_relaxed.rs` says what is computed.

use core::arch::wasm32::*;

use super::lane::Lane;
use super::simd::{F4, load};

/// Name of the build that these make.
pub const BUILD: &str = "simd";

/// An activation as it is stored: wide, because the dot product takes 16 bits.
pub type Quant = i16;

/// Four columns of rows 0 and 1, and of rows 2 and 3.
#[derive(Clone, Copy)]
pub struct Weights(v128, v128);

impl Weights {
    #[inline(always)]
    fn widen(bytes: v128) -> Self {
        Self(u16x8_extend_low_u8x16(bytes), u16x8_extend_high_u8x16(bytes))
    }

    /// Sixteen bytes of at most seven bits.
    #[inline(always)]
    pub fn load(lane: &Lane) -> Self {
        Self::widen(load(lane))
    }

    /// The low and the high nibbles of sixteen bytes.
    #[inline(always)]
    pub fn nibbles(lane: &Lane) -> (Self, Self) {
        let bytes = load(lane);
        let nibble = u8x16_splat(0x0f);
        (Self::widen(v128_and(bytes, nibble)), Self::widen(v128_and(u16x8_shr(bytes, 4), nibble)))
    }
}

/// Four activations, once for each of two rows.
#[derive(Clone, Copy)]
pub struct Acts(v128);

impl Acts {
    #[inline(always)]
    pub fn splat(values: &[Quant; 4]) -> Self {
        // SAFETY: the reference is to 8 readable bytes; the load needs no alignment.
        Self(unsafe { v128_load64_splat(values.as_ptr().cast()) })
    }
}

/// Dot products of four rows, two partial sums each.
#[derive(Clone, Copy)]
pub struct Sums(v128, v128);

impl Sums {
    #[inline(always)]
    pub fn zero() -> Self {
        Self(i32x4_splat(0), i32x4_splat(0))
    }

    /// Adds the products of four columns.
    #[inline(always)]
    pub fn dot(&mut self, weights: Weights, acts: Acts) {
        self.0 = i32x4_add(self.0, i32x4_dot_i16x8(weights.0, acts.0));
        self.1 = i32x4_add(self.1, i32x4_dot_i16x8(weights.1, acts.0));
    }

    /// Nothing to do: these sums have 32 bits.
    #[inline(always)]
    pub fn settle(&mut self) {}

    #[inline(always)]
    fn total(self) -> v128 {
        let even = i32x4_shuffle::<0, 2, 4, 6>(self.0, self.1);
        let odd = i32x4_shuffle::<1, 3, 5, 7>(self.0, self.1);
        i32x4_add(even, odd)
    }

    /// The four rows' sums, less `offset`, as floats.
    #[inline(always)]
    pub fn finish(self, offset: i32) -> F4 {
        F4(f32x4_convert_i32x4(i32x4_sub(self.total(), i32x4_splat(offset))))
    }

    /// 16 · `high` + `low`, less `offset`, as floats.
    #[inline(always)]
    pub fn join(high: Self, low: Self, offset: i32) -> F4 {
        let sum = i32x4_add(i32x4_shl(high.total(), 4), low.total());
        F4(f32x4_convert_i32x4(i32x4_sub(sum, i32x4_splat(offset))))
    }
}

/// Sixteen floats of at most 127 in magnitude as activations, rounded to the nearest; their sum.
#[inline(always)]
pub fn round16(values: [F4; 4], out: &mut [Quant; 16]) -> i32 {
    let [a, b, c, d] = values.map(|v| i32x4_trunc_sat_f32x4(v.round().0));
    let (low, high) = out.split_at_mut(8);
    // SAFETY: each half is 16 writable bytes; the stores need no alignment.
    unsafe {
        v128_store(low.as_mut_ptr().cast(), i16x8_narrow_i32x4(a, b));
        v128_store(high.as_mut_ptr().cast(), i16x8_narrow_i32x4(c, d));
    }
    super::simd::sum(i32x4_add(i32x4_add(a, b), i32x4_add(c, d)))
}
