//! 128-bit vectors in plain Rust, for native tests and tools. `simd_wasm.rs` has the same names with the same meaning.

/// 16 bytes of a repacked matrix.
#[derive(Clone, Copy, Default)]
#[repr(align(16))]
pub struct Lane([u8; 16]);

impl Lane {
    pub fn byte(self, index: usize) -> u8 {
        self.0[index]
    }

    pub fn set_byte(&mut self, index: usize, value: u8) {
        self.0[index] = value;
    }

    pub fn f32(self, index: usize) -> f32 {
        let at = index * 4;
        f32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    pub fn set_f32(&mut self, index: usize, value: f32) {
        self.0[index * 4..][..4].copy_from_slice(&value.to_le_bytes());
    }

    /// Its four floats.
    #[inline(always)]
    pub fn floats(self) -> F4 {
        F4([self.f32(0), self.f32(1), self.f32(2), self.f32(3)])
    }
}

/// Four f32.
#[derive(Clone, Copy)]
pub struct F4([f32; 4]);

impl F4 {
    #[inline(always)]
    pub fn splat(value: f32) -> Self {
        Self([value; 4])
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
    pub fn bytes(lane: Lane) -> Self {
        Self::widen(lane.0.map(u8::cast_signed))
    }

    /// The low and the high nibbles of sixteen bytes.
    #[inline(always)]
    pub fn nibbles(lane: Lane) -> (Self, Self) {
        (Self::widen(lane.0.map(|b| (b & 0x0f).cast_signed())), Self::widen(lane.0.map(|b| (b >> 4).cast_signed())))
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
            i32::from(w[2 * i]) * i32::from(acts.0[2 * i]) + i32::from(w[2 * i + 1]) * i32::from(acts.0[2 * i + 1])
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
