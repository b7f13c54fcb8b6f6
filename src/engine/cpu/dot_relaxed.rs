//! Integer dot products with relaxed SIMD: `i32x4.relaxed_dot_i8x16_i7x16_add` multiplies sixteen pairs of bytes at once.
//!
//! It is exact on every machine as long as the second operand is in 0..=127, which weights of up to seven bits are.
//! Those of eight bits are split into their upper seven and their lowest bit. `dot_simd128.rs` and `dot_portable.rs`
//! have the same names with the same meaning, and the same integers come out.

use core::arch::wasm32::*;

use super::lane::Lane;
use super::simd::{F4, load};

/// Name of the build that these make.
pub const BUILD: &str = "relaxed";

/// An activation as it is stored.
pub type Quant = i8;

/// Four columns of four rows, each in 0..=127.
#[derive(Clone, Copy)]
pub struct Small(v128);

impl Small {
    #[inline(always)]
    pub fn load(lane: &Lane) -> Self {
        Self(load(lane))
    }

    /// The low and the high nibbles of sixteen bytes.
    #[inline(always)]
    pub fn nibbles(lane: &Lane) -> (Self, Self) {
        let bytes = load(lane);
        (Self(v128_and(bytes, u8x16_splat(0x0f))), Self(u8x16_shr(bytes, 4)))
    }
}

/// Four columns of four rows, each in 0..=255: 2 · upper + lowest.
#[derive(Clone, Copy)]
pub struct Large {
    upper: v128,
    lowest: v128,
}

impl Large {
    #[inline(always)]
    pub fn load(lane: &Lane) -> Self {
        let bytes = load(lane);
        Self { upper: u8x16_shr(bytes, 1), lowest: v128_and(bytes, u8x16_splat(1)) }
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
    /// Of all that is `Small`, and of the upper bits of what is `Large`.
    upper: v128,
    /// Of the lowest bits of what is `Large`.
    lowest: v128,
}

impl Sums {
    #[inline(always)]
    pub fn zero() -> Self {
        Self { upper: i32x4_splat(0), lowest: i32x4_splat(0) }
    }

    /// Adds the products of four columns.
    #[inline(always)]
    pub fn dot(&mut self, weights: Small, acts: Acts) {
        self.upper = i32x4_relaxed_dot_i8x16_i7x16_add(acts.0, weights.0, self.upper);
    }

    /// Adds the products of four columns.
    #[inline(always)]
    pub fn dot_large(&mut self, weights: Large, acts: Acts) {
        self.upper = i32x4_relaxed_dot_i8x16_i7x16_add(acts.0, weights.upper, self.upper);
        self.lowest = i32x4_relaxed_dot_i8x16_i7x16_add(acts.0, weights.lowest, self.lowest);
    }

    /// The four rows' sums, less `offset`, as floats; `dot` alone has been called.
    #[inline(always)]
    pub fn finish(self, offset: i32) -> F4 {
        F4(f32x4_convert_i32x4(i32x4_sub(self.upper, i32x4_splat(offset))))
    }

    /// The four rows' sums, less `offset`, as floats; `dot_large` alone has been called.
    #[inline(always)]
    pub fn finish_large(self, offset: i32) -> F4 {
        let sum = i32x4_add(i32x4_shl(self.upper, 1), self.lowest);
        F4(f32x4_convert_i32x4(i32x4_sub(sum, i32x4_splat(offset))))
    }
}

/// Sixteen floats of at most 127 in magnitude as activations, rounded to the nearest; their sum.
#[inline(always)]
pub fn round16(values: [F4; 4], out: &mut [Quant; 16]) -> i32 {
    let [a, b, c, d] = values.map(|v| i32x4_trunc_sat_f32x4(v.round().0));
    let bytes = i8x16_narrow_i16x8(i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d));
    // SAFETY: the reference is to 16 writable bytes; the store needs no alignment.
    unsafe { v128_store(out.as_mut_ptr().cast(), bytes) };
    super::simd::sum(i32x4_add(i32x4_add(a, b), i32x4_add(c, d)))
}
