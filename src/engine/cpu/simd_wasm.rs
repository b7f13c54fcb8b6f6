//! 128-bit vectors on WebAssembly. `simd_portable.rs` has the same names with the same meaning.

use core::arch::wasm32::*;

/// 16 bytes of a repacked matrix.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Lane(v128);

impl Default for Lane {
    fn default() -> Self {
        Self(i32x4_splat(0))
    }
}

impl Lane {
    fn bytes(self) -> [u8; 16] {
        // SAFETY: both are 16 bytes without invalid values.
        unsafe { core::mem::transmute(self.0) }
    }

    pub fn byte(self, index: usize) -> u8 {
        self.bytes()[index]
    }

    pub fn set_byte(&mut self, index: usize, value: u8) {
        let mut bytes = self.bytes();
        bytes[index] = value;
        // SAFETY: both are 16 bytes without invalid values.
        self.0 = unsafe { core::mem::transmute::<[u8; 16], v128>(bytes) };
    }

    pub fn f32(self, index: usize) -> f32 {
        let bytes = self.bytes();
        f32::from_le_bytes([bytes[index * 4], bytes[index * 4 + 1], bytes[index * 4 + 2], bytes[index * 4 + 3]])
    }

    pub fn set_f32(&mut self, index: usize, value: f32) {
        for (offset, byte) in value.to_le_bytes().into_iter().enumerate() {
            self.set_byte(index * 4 + offset, byte);
        }
    }

    /// Its four floats.
    #[inline(always)]
    pub fn floats(self) -> F4 {
        F4(self.0)
    }
}

/// Four f32.
#[derive(Clone, Copy)]
pub struct F4(v128);

impl F4 {
    #[inline(always)]
    pub fn splat(value: f32) -> Self {
        Self(f32x4_splat(value))
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
    pub fn to_array(self) -> [f32; 4] {
        let v = self.0;
        [f32x4_extract_lane::<0>(v), f32x4_extract_lane::<1>(v), f32x4_extract_lane::<2>(v), f32x4_extract_lane::<3>(v)]
    }
}

/// Sixteen weights widened to 16 bits: four columns of rows 0 and 1, and of rows 2 and 3.
#[derive(Clone, Copy)]
pub struct Wide(v128, v128);

impl Wide {
    /// Sixteen signed bytes.
    #[inline(always)]
    pub fn bytes(lane: Lane) -> Self {
        Self(i16x8_extend_low_i8x16(lane.0), i16x8_extend_high_i8x16(lane.0))
    }

    /// The low and the high nibbles of sixteen bytes.
    #[inline(always)]
    pub fn nibbles(lane: Lane) -> (Self, Self) {
        let low = v128_and(lane.0, u8x16_splat(0x0f));
        let high = u8x16_shr(lane.0, 4);
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
