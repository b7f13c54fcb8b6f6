//! Weight formats: how a block of bytes becomes numbers.
//!
//! Every quantised format of the family is `weight = scale · q + min`, with integers `q` of at most 8
//! bits and one `scale` and `min` per group of 16 or 32. Each file here says how one format stores
//! them; dequantisation, the CPU engine's repacking and the tests are written once, over that.
//!
//! Layouts: ggml's `ggml-common.h` and `ggml-quants.c`.

mod bf16;
mod f16;
mod f32;
mod noise;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;

pub use noise::Noise;
pub use q4_0::quantize as quantize_q4_0;
pub use q8_0::quantize as quantize_q8_0;

use crate::error::{Error, ErrorKind, Result};

/// Weights in the largest block.
pub const MAX_BLOCK: usize = 256;
/// Groups in the largest block.
pub const MAX_GROUPS: usize = 16;

/// One block as integers: `weight[i] = scale[i / group_len] · q[i] + min[i / group_len]`.
#[derive(Debug, Clone)]
pub struct Unpacked {
    /// Quantised values.
    pub q: [i8; MAX_BLOCK],
    /// Factor of each group.
    pub scale: [f32; MAX_GROUPS],
    /// Offset of each group; zero for formats without one.
    pub min: [f32; MAX_GROUPS],
}

impl Default for Unpacked {
    fn default() -> Self {
        Self { q: [0; MAX_BLOCK], scale: [0.0; MAX_GROUPS], min: [0.0; MAX_GROUPS] }
    }
}

/// What one quantised format is.
#[derive(Debug)]
pub struct Blocks {
    /// Weights in a block.
    pub len: usize,
    /// Bytes of a block.
    pub bytes: usize,
    /// Weights that share a scale.
    pub group_len: usize,
    /// Smallest and largest `q`.
    pub range: (i8, i8),
    /// Whether groups have an offset.
    pub has_min: bool,
    /// Splits a block of `bytes` bytes into integers and scales.
    pub unpack: fn(&[u8], &mut Unpacked),
}

/// How the elements of a tensor are stored.
#[derive(Debug)]
pub enum Layout {
    /// One number after the other: its bytes, and how they become an f32.
    Plain(usize, fn(&[u8]) -> f32),
    /// Blocks of quantised values.
    Quantized(Blocks),
}

macro_rules! formats {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $module:ident;)*) => {
        /// Element type of a tensor.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(non_camel_case_types, reason = "the names everybody knows")]
        pub enum Format { $($(#[$doc])* $name,)* }

        impl Format {
            /// Every format that can be read.
            pub const ALL: &'static [Format] = &[$(Format::$name,)*];

            /// Its number in a GGUF tensor table.
            pub fn ggml_id(self) -> u32 {
                match self { $(Format::$name => $id,)* }
            }

            /// How its bytes become numbers.
            pub fn layout(self) -> &'static Layout {
                match self { $(Format::$name => &$module::LAYOUT,)* }
            }
        }
    };
}

formats! {
    /// 32-bit floats.
    F32 = 0, f32;
    /// IEEE half precision.
    F16 = 1, f16;
    /// The upper half of an f32.
    BF16 = 30, bf16;
    /// 4 bits, symmetric, 32 per scale.
    Q4_0 = 2, q4_0;
    /// 4 bits with offset, 32 per scale.
    Q4_1 = 3, q4_1;
    /// 5 bits, symmetric, 32 per scale.
    Q5_0 = 6, q5_0;
    /// 5 bits with offset, 32 per scale.
    Q5_1 = 7, q5_1;
    /// 8 bits, symmetric, 32 per scale.
    Q8_0 = 8, q8_0;
    /// 2 bits with offset, 16 per scale, super-blocks of 256.
    Q2_K = 10, q2_k;
    /// 3 bits, symmetric, 16 per scale, super-blocks of 256.
    Q3_K = 11, q3_k;
    /// 4 bits with offset, 32 per scale, super-blocks of 256.
    Q4_K = 12, q4_k;
    /// 5 bits with offset, 32 per scale, super-blocks of 256.
    Q5_K = 13, q5_k;
    /// 6 bits, symmetric, 16 per scale, super-blocks of 256.
    Q6_K = 14, q6_k;
}

impl Format {
    /// The format with this number in a GGUF tensor table.
    ///
    /// # Errors
    /// `unsupported_quantization`, naming the tensor and, where it is known, the format.
    pub fn from_ggml_id(id: u32, tensor: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|format| format.ggml_id() == id).ok_or_else(|| {
            let name = foreign_name(id).map_or_else(|| format!("number {id}"), str::to_string);
            Error::new(ErrorKind::UnsupportedQuantization, format!("tensor {tensor} has type {name}")).with_hint(
                "Supported are F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and Q2_K to Q6_K: choose such a file of the same model.",
            )
        })
    }

    /// Weights in one block; 1 for plain formats.
    pub fn block_len(self) -> usize {
        match self.layout() {
            Layout::Plain(..) => 1,
            Layout::Quantized(blocks) => blocks.len,
        }
    }

    /// Bytes of one block.
    pub fn block_bytes(self) -> usize {
        match self.layout() {
            Layout::Plain(bytes, _) => *bytes,
            Layout::Quantized(blocks) => blocks.bytes,
        }
    }

    /// Bytes of a row of `columns` weights.
    pub fn row_bytes(self, columns: usize) -> usize {
        columns / self.block_len() * self.block_bytes()
    }

    /// Writes the weights stored in `bytes` to `out`. Both hold whole blocks of the same count.
    pub fn dequantize(self, bytes: &[u8], out: &mut [f32]) {
        assert_eq!(bytes.len(), self.row_bytes(out.len()), "{self:?}: bytes do not match weights");
        match self.layout() {
            Layout::Plain(size, read) => {
                for (weight, bytes) in out.iter_mut().zip(bytes.chunks_exact(*size)) {
                    *weight = read(bytes);
                }
            }
            Layout::Quantized(blocks) => {
                let mut block = Unpacked::default();
                for (out, bytes) in out.chunks_exact_mut(blocks.len).zip(bytes.chunks_exact(blocks.bytes)) {
                    (blocks.unpack)(bytes, &mut block);
                    for (group, out) in out.chunks_exact_mut(blocks.group_len).enumerate() {
                        let q = &block.q[group * blocks.group_len..];
                        for (weight, &q) in out.iter_mut().zip(q) {
                            let product = block.scale[group] * f32::from(q);
                            // Adding a zero offset would turn −0 into +0.
                            *weight = if blocks.has_min { product + block.min[group] } else { product };
                        }
                    }
                }
            }
        }
    }
}

/// Names of formats that exist and are not read here.
fn foreign_name(id: u32) -> Option<&'static str> {
    Some(match id {
        9 => "Q8_1",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return None,
    })
}

/// The half-precision number at `bytes[at..at + 2]`.
fn f16_at(bytes: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// Scale and min `index` of the 12 packed bytes of Q4_K and Q5_K: eight pairs of 6-bit numbers.
fn scale_min_k4(packed: &[u8], index: usize) -> (u8, u8) {
    if index < 4 {
        (packed[index] & 63, packed[index + 4] & 63)
    } else {
        let scale = (packed[index + 4] & 0x0f) | ((packed[index - 4] >> 6) << 4);
        let min = (packed[index + 4] >> 4) | ((packed[index] >> 6) << 4);
        (scale, min)
    }
}

/// A small non-negative number as a quantised value; formats never hold more than 7 bits here.
#[allow(clippy::cast_possible_wrap, reason = "q is at most 63")]
fn q(value: u8) -> i8 {
    value as i8
}
