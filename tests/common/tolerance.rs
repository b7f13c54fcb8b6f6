//! How far logits may be from a reference, each number with its reason. No test carries a number of its own.
#![allow(dead_code, reason = "each test file uses a part of it")]

/// F32 arithmetic against F32 or F64 arithmetic on the same weights: rounding in another order. Correct runs show 1e-5 to 2e-4.
pub const F32_LOGITS: f32 = 1e-3;

/// Activations rounded to 8 bits, per block of 32, before they meet quantised weights: what llama.cpp's own
/// kernels show against the same references is 0.21 to 0.75 at most, 0.04 to 0.15 on average.
pub const Q8_ACTIVATIONS_MAX: f32 = 0.8;
/// See [`Q8_ACTIVATIONS_MAX`].
pub const Q8_ACTIVATIONS_MEAN: f32 = 0.16;

/// Keys and values in 16 bits, which the GPU keeps beside quantised weights: half a step of 2^-11 each, which at logits of some
/// units shows 0.003 to 0.010 at most.
pub const HALF_CACHE: f32 = 0.02;

/// Two batchings of the same engine: the same sums in another order.
pub const SAME_ENGINE: f32 = 1e-4;
