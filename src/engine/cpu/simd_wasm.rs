//! 128-bit vectors on WebAssembly. `simd_portable.rs` has the same names with the same meaning.

use core::arch::wasm32::*;

use super::lane::Lane;

/// 1.5 · 2²³: a number below 2²² in magnitude that is added to it ends up in its lowest bits, rounded to the nearest
/// whole one. Conversions that mind every number take several instructions.
const WHOLE: f32 = 12_582_912.0;

/// Four f32.
#[derive(Clone, Copy)]
pub struct F4(pub(super) v128);

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

    #[inline(always)]
    pub fn abs(self) -> Self {
        Self(f32x4_abs(self.0))
    }

    /// To the nearest whole number.
    #[inline(always)]
    pub fn round(self) -> Self {
        Self(f32x4_nearest(self.0))
    }

    /// 2 to the power of whole numbers in −126..=127.
    #[inline(always)]
    pub fn exp2_whole(self) -> Self {
        let exponent = f32x4_add(self.0, f32x4_splat(WHOLE + 127.0));
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

/// A lane's sixteen bytes.
#[inline(always)]
pub fn load(lane: &Lane) -> v128 {
    // SAFETY: a lane is 16 readable bytes; the load needs no alignment.
    unsafe { v128_load(lane.0.as_ptr().cast()) }
}

/// Four lanes of six bits out of three: the last one is in the top bits of the others.
#[inline(always)]
pub fn sixes(lanes: &[Lane; 3]) -> [v128; 4] {
    let [a, b, c] = [0, 1, 2].map(|i| load(&lanes[i]));
    let low = |bytes| v128_and(bytes, u8x16_splat(0x3f));
    // Wide shifts are one instruction on most machines; nothing leaves its byte.
    let top = |bytes| v128_and(bytes, u8x16_splat(0xc0));
    let last = v128_or(v128_or(u16x8_shr(top(a), 6), u16x8_shr(top(b), 4)), u16x8_shr(top(c), 2));
    [low(a), low(b), low(c), last]
}

/// The nearest whole numbers to those below 2²² in magnitude.
#[inline(always)]
pub fn nearest(v: F4) -> v128 {
    i32x4_sub(v.add(F4::splat(WHOLE)).0, F4::splat(WHOLE).0)
}

/// The sum of four i32.
#[inline(always)]
pub fn sum(v: v128) -> i32 {
    let pairs = i32x4_add(v, i32x4_shuffle::<2, 3, 0, 1>(v, v));
    i32x4_extract_lane::<0>(pairs) + i32x4_extract_lane::<1>(pairs)
}

/// Sixteen bytes, four columns of four rows, widened: rows 0 and 1, and rows 2 and 3.
#[derive(Clone, Copy)]
pub struct Bytes(v128, v128);

impl Bytes {
    /// Signed ones.
    #[inline(always)]
    pub fn load(lane: &Lane) -> Self {
        let bytes = load(lane);
        Self(i16x8_extend_low_i8x16(bytes), i16x8_extend_high_i8x16(bytes))
    }

    /// Unsigned ones.
    #[inline(always)]
    #[cfg_attr(
        target_feature = "relaxed-simd",
        allow(dead_code, reason = "what is relaxed needs not widen them")
    )]
    pub fn unsigned(bytes: v128) -> Self {
        Self(u16x8_extend_low_u8x16(bytes), u16x8_extend_high_u8x16(bytes))
    }
}

/// Four 16-bit factors, once for each of two rows.
#[derive(Clone, Copy)]
pub struct Fine(v128);

impl Fine {
    #[inline(always)]
    pub fn splat(values: &[i16; 4]) -> Self {
        // SAFETY: the reference is to 8 readable bytes; the load needs no alignment.
        Self(unsafe { v128_load64_splat(values.as_ptr().cast()) })
    }
}

/// Dot products of bytes with 16-bit factors, for four rows, two partial sums each.
#[derive(Clone, Copy)]
pub struct FineSums(v128, v128);

impl Default for FineSums {
    #[inline(always)]
    fn default() -> Self {
        Self(i32x4_splat(0), i32x4_splat(0))
    }
}

impl FineSums {
    /// Adds the products of four columns.
    #[inline(always)]
    pub fn dot(&mut self, bytes: Bytes, factors: Fine) {
        self.0 = i32x4_add(self.0, i32x4_dot_i16x8(bytes.0, factors.0));
        self.1 = i32x4_add(self.1, i32x4_dot_i16x8(bytes.1, factors.0));
    }

    /// The four rows' sums.
    #[inline(always)]
    pub fn total(self) -> v128 {
        let even = i32x4_shuffle::<0, 2, 4, 6>(self.0, self.1);
        let odd = i32x4_shuffle::<1, 3, 5, 7>(self.0, self.1);
        i32x4_add(even, odd)
    }

    /// The same as floats.
    #[inline(always)]
    pub fn finish(self) -> F4 {
        F4(f32x4_convert_i32x4(self.total()))
    }
}

/// `values · factor`, below 2¹⁵ in magnitude, rounded to the nearest.
#[inline(always)]
pub fn round_fine(values: &[f32; 32], factor: f32, out: &mut [i16]) {
    let factor = F4::splat(factor);
    for (values, out) in values.as_chunks::<8>().0.iter().zip(out.as_chunks_mut::<8>().0) {
        let [low, high] = [0, 1].map(|i| nearest(F4::from_slice(&values.as_chunks::<4>().0[i]).mul(factor)));
        // SAFETY: the reference is to 16 writable bytes; the store needs no alignment.
        unsafe { v128_store(out.as_mut_ptr().cast(), i16x8_narrow_i32x4(low, high)) };
    }
}
