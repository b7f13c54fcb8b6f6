//! 128-bit vectors on WebAssembly. `simd_portable.rs` has the same names with the same meaning.

use core::arch::wasm32::*;

use super::lane::Lane;

#[inline(always)]
fn load(lane: &Lane) -> v128 {
    // SAFETY: a lane is 16 readable bytes; the load needs no alignment.
    unsafe { v128_load(lane.0.as_ptr().cast()) }
}

/// Four f32.
#[derive(Clone, Copy)]
pub struct F4(v128);

impl F4 {
    #[inline(always)]
    pub fn splat(value: f32) -> Self {
        Self(f32x4_splat(value))
    }

    /// A lane's four floats.
    #[inline(always)]
    pub fn from_lane(lane: &Lane) -> Self {
        Self(load(lane))
    }

    #[inline(always)]
    pub fn from_slice(values: &[f32; 4]) -> Self {
        // SAFETY: the reference is to 16 readable bytes; the load needs no alignment.
        Self(unsafe { v128_load(values.as_ptr().cast()) })
    }

    #[inline(always)]
    pub fn add(self, other: Self) -> Self {
        Self(f32x4_add(self.0, other.0))
    }

    #[inline(always)]
    pub fn mul(self, other: Self) -> Self {
        Self(f32x4_mul(self.0, other.0))
    }

    #[inline(always)]
    pub fn sub(self, other: Self) -> Self {
        Self(f32x4_sub(self.0, other.0))
    }

    #[inline(always)]
    pub fn div(self, other: Self) -> Self {
        Self(f32x4_div(self.0, other.0))
    }

    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        Self(f32x4_pmax(self.0, other.0))
    }

    #[inline(always)]
    pub fn min(self, other: Self) -> Self {
        Self(f32x4_pmin(self.0, other.0))
    }

    /// To the nearest whole number.
    #[inline(always)]
    pub fn round(self) -> Self {
        Self(f32x4_nearest(self.0))
    }

    /// 2 to the power of whole numbers in −126..=127.
    #[inline(always)]
    pub fn exp2_whole(self) -> Self {
        let exponent = i32x4_add(i32x4_trunc_sat_f32x4(self.0), i32x4_splat(127));
        Self(i32x4_shl(exponent, 23))
    }

    #[inline(always)]
    pub fn store(self, values: &mut [f32; 4]) {
        // SAFETY: the reference is to 16 writable bytes; the store needs no alignment.
        unsafe { v128_store(values.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    pub fn to_array(self) -> [f32; 4] {
        let v = self.0;
        [
            f32x4_extract_lane::<0>(v),
            f32x4_extract_lane::<1>(v),
            f32x4_extract_lane::<2>(v),
            f32x4_extract_lane::<3>(v),
        ]
    }
}

/// Sixteen weights widened to 16 bits: four columns of rows 0 and 1, and of rows 2 and 3.
#[derive(Clone, Copy)]
pub struct Wide(v128, v128);

impl Wide {
    /// Sixteen signed bytes.
    #[inline(always)]
    pub fn bytes(lane: &Lane) -> Self {
        let bytes = load(lane);
        Self(i16x8_extend_low_i8x16(bytes), i16x8_extend_high_i8x16(bytes))
    }

    /// The low and the high nibbles of sixteen bytes.
    #[inline(always)]
    pub fn nibbles(lane: &Lane) -> (Self, Self) {
        let bytes = load(lane);
        let low = v128_and(bytes, u8x16_splat(0x0f));
        let high = u8x16_shr(bytes, 4);
        (
            Self(u16x8_extend_low_u8x16(low), u16x8_extend_high_u8x16(low)),
            Self(u16x8_extend_low_u8x16(high), u16x8_extend_high_u8x16(high)),
        )
    }
}

/// Four activations, twice.
#[derive(Clone, Copy)]
pub struct Acts(v128);

impl Acts {
    #[inline(always)]
    pub fn splat(values: &[i16; 4]) -> Self {
        // SAFETY: the reference is to 8 readable bytes; the load needs no alignment.
        Self(unsafe { v128_load64_splat(values.as_ptr().cast()) })
    }
}

/// Integer dot products of four rows, two partial sums each.
#[derive(Clone, Copy)]
pub struct Sums(v128, v128);

impl Sums {
    #[inline(always)]
    pub fn zero() -> Self {
        Self(i32x4_splat(0), i32x4_splat(0))
    }

    /// Adds the products of four columns.
    #[inline(always)]
    pub fn dot(&mut self, weights: Wide, acts: Acts) {
        self.0 = i32x4_add(self.0, i32x4_dot_i16x8(weights.0, acts.0));
        self.1 = i32x4_add(self.1, i32x4_dot_i16x8(weights.1, acts.0));
    }

    /// The four rows' sums, less `offset`, as floats.
    #[inline(always)]
    pub fn finish(self, offset: i32) -> F4 {
        let even = i32x4_shuffle::<0, 2, 4, 6>(self.0, self.1);
        let odd = i32x4_shuffle::<1, 3, 5, 7>(self.0, self.1);
        let sum = i32x4_sub(i32x4_add(even, odd), i32x4_splat(offset));
        F4(f32x4_convert_i32x4(sum))
    }
}
