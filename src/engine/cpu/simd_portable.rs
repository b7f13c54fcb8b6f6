//! 128-bit vectors in plain Rust, for native tests and tools. `simd_wasm.rs` has the same names with the same meaning.

use super::lane::Lane;

/// Four f32.
#[derive(Clone, Copy)]
pub struct F4([f32; 4]);

impl F4 {
    #[inline(always)]
    pub fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    /// A lane's four floats.
    #[inline(always)]
    pub fn from_lane(lane: &Lane) -> Self {
        Self([lane.f32(0), lane.f32(1), lane.f32(2), lane.f32(3)])
    }

    #[inline(always)]
    pub fn from_slice(values: &[f32; 4]) -> Self {
        Self(*values)
    }

    #[inline(always)]
    pub fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    pub fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }

    #[inline(always)]
    pub fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    pub fn div(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] / other.0[i]))
    }

    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].max(other.0[i])))
    }

    #[inline(always)]
    pub fn min(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].min(other.0[i])))
    }

    /// To the nearest whole number.
    #[inline(always)]
    pub fn round(self) -> Self {
        Self(self.0.map(f32::round_ties_even))
    }

    /// 2 to the power of whole numbers in −126..=127.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "whole numbers of small magnitude")]
    pub fn exp2_whole(self) -> Self {
        Self(self.0.map(|n| f32::from_bits(((n as i32 + 127) << 23).cast_unsigned())))
    }

    #[inline(always)]
    pub fn store(self, values: &mut [f32; 4]) {
        *values = self.0;
    }

    #[inline(always)]
    pub fn to_array(self) -> [f32; 4] {
        self.0
    }
}

/// Sixteen weights widened to 16 bits: four columns of rows 0 and 1, and of rows 2 and 3.
#[derive(Clone, Copy)]
pub struct Wide([i16; 8], [i16; 8]);

impl Wide {
    fn widen(bytes: [i8; 16]) -> Self {
        Self(std::array::from_fn(|i| bytes[i].into()), std::array::from_fn(|i| bytes[i + 8].into()))
    }

    /// Sixteen signed bytes.
    #[inline(always)]
    pub fn bytes(lane: &Lane) -> Self {
        Self::widen(lane.0.map(u8::cast_signed))
    }

    /// The low and the high nibbles of sixteen bytes.
    #[inline(always)]
    pub fn nibbles(lane: &Lane) -> (Self, Self) {
        (
            Self::widen(lane.0.map(|b| (b & 0x0f).cast_signed())),
            Self::widen(lane.0.map(|b| (b >> 4).cast_signed())),
        )
    }
}

/// Four activations, twice.
#[derive(Clone, Copy)]
pub struct Acts([i16; 8]);

impl Acts {
    #[inline(always)]
    pub fn splat(values: &[i16; 4]) -> Self {
        Self(std::array::from_fn(|i| values[i % 4]))
    }
}

/// Integer dot products of four rows, two partial sums each.
#[derive(Clone, Copy)]
pub struct Sums([i32; 4], [i32; 4]);

impl Sums {
    #[inline(always)]
    pub fn zero() -> Self {
        Self([0; 4], [0; 4])
    }

    /// Adds the products of four columns.
    #[inline(always)]
    pub fn dot(&mut self, weights: Wide, acts: Acts) {
        let pair = |w: &[i16; 8], i: usize| {
            i32::from(w[2 * i]) * i32::from(acts.0[2 * i])
                + i32::from(w[2 * i + 1]) * i32::from(acts.0[2 * i + 1])
        };
        for i in 0..4 {
            self.0[i] += pair(&weights.0, i);
            self.1[i] += pair(&weights.1, i);
        }
    }

    /// The four rows' sums, less `offset`, as floats.
    #[inline(always)]
    #[allow(clippy::cast_precision_loss, reason = "sums of a block stay below 2^24")]
    pub fn finish(self, offset: i32) -> F4 {
        let row = |s: &[i32; 4], i: usize| (s[2 * i] + s[2 * i + 1] - offset) as f32;
        F4([row(&self.0, 0), row(&self.0, 1), row(&self.1, 0), row(&self.1, 1)])
    }
}
