//! 128-bit vectors in plain Rust, for native tests and tools. `simd_wasm.rs` has the same names with the same meaning.

use super::lane::Lane;

/// Four f32.
#[derive(Clone, Copy)]
pub struct F4(pub(super) [f32; 4]);

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

    #[inline(always)]
    pub fn abs(self) -> Self {
        Self(self.0.map(f32::abs))
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

/// Sixteen signed bytes, four columns of four rows.
#[derive(Clone, Copy)]
pub struct Bytes([i8; 16]);

impl Bytes {
    #[inline(always)]
    pub fn load(lane: &Lane) -> Self {
        Self(lane.0.map(u8::cast_signed))
    }
}

/// Four 16-bit factors.
#[derive(Clone, Copy)]
pub struct Fine([i16; 4]);

impl Fine {
    #[inline(always)]
    pub fn splat(values: &[i16; 4]) -> Self {
        Self(*values)
    }
}

/// Dot products of bytes with 16-bit factors, for four rows.
#[derive(Clone, Copy, Default)]
pub struct FineSums([i32; 4]);

impl FineSums {
    /// Adds the products of four columns.
    #[inline(always)]
    pub fn dot(&mut self, bytes: Bytes, factors: Fine) {
        for (row, sum) in self.0.iter_mut().enumerate() {
            for (column, &factor) in factors.0.iter().enumerate() {
                *sum += i32::from(bytes.0[row * 4 + column]) * i32::from(factor);
            }
        }
    }

    /// The four rows' sums as floats.
    #[inline(always)]
    #[allow(clippy::cast_precision_loss, reason = "rounded as the vector unit rounds")]
    pub fn finish(self) -> F4 {
        F4(self.0.map(|sum| sum as f32))
    }
}

/// `values · factor`, below 2¹⁵ in magnitude, rounded to the nearest.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "below 2^15 in magnitude")]
pub fn round_fine(values: &[f32; 32], factor: f32, out: &mut [i16]) {
    out.iter_mut().zip(values).for_each(|(out, value)| *out = (value * factor).round_ties_even() as i16);
}
