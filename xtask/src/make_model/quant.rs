//! ggml's tensor types, and which of them llama.cpp gives each tensor of a model.

use anyhow::{Result, anyhow};

/// A ggml type; the number is ggml's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q2K = 10,
    Q3K = 11,
    Q4K = 12,
    Q5K = 13,
    Q6K = 14,
    BF16 = 30,
}

impl Type {
    pub const ALL: [Self; 13] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
    ];

    pub fn ggml_id(self) -> u32 {
        self as u32
    }

    pub fn with_id(id: u32) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.ggml_id() == id);
        found.ok_or_else(|| anyhow!("no type has the number {id}"))
    }

    /// Weights in a block, and the block's bytes.
    pub const fn block(self) -> (u64, u64) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q2K => (256, 84),
            Self::Q3K => (256, 110),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }

    /// What llama.cpp takes instead for rows that are no multiple of 256. For Q2_K and Q3_K that is IQ4_NL, which
    /// this project does not read yet; Q4_0 has the same size.
    fn for_odd_rows(self) -> Self {
        match self {
            Self::Q2K | Self::Q3K => Self::Q4_0,
            Self::Q4K => Self::Q5_0,
            Self::Q5K => Self::Q5_1,
            Self::Q6K => Self::Q8_0,
            other => other,
        }
    }

    /// This type, or the one that fits rows of this length.
    fn fitting(self, row: u64) -> Result<Self> {
        [self, self.for_odd_rows(), Self::F16]
            .into_iter()
            .find(|fitting| row.is_multiple_of(fitting.block().0))
            .ok_or_else(|| anyhow!("no type fits rows of {row}"))
    }
}

/// What `--quant` may say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quant {
    pub name: &'static str,
    /// `general.file_type`, llama.cpp's number of the mixture.
    pub file_type: u32,
    /// The type of the matrices.
    base: Type,
    /// Q4_K_M gives the tensors that suffer most a better type.
    mixed: bool,
}

const fn quant(name: &'static str, file_type: u32, base: Type) -> Quant {
    Quant { name, file_type, base, mixed: false }
}

pub const QUANTS: &[Quant] = &[
    quant("f32", 0, Type::F32),
    quant("f16", 1, Type::F16),
    quant("bf16", 32, Type::BF16),
    quant("q4_0", 2, Type::Q4_0),
    quant("q4_1", 3, Type::Q4_1),
    quant("q5_0", 8, Type::Q5_0),
    quant("q5_1", 9, Type::Q5_1),
    quant("q8_0", 7, Type::Q8_0),
    quant("q2_k", 10, Type::Q2K),
    quant("q3_k", 11, Type::Q3K),
    quant("q4_k", 14, Type::Q4K),
    quant("q5_k", 16, Type::Q5K),
    quant("q6_k", 18, Type::Q6K),
    Quant { mixed: true, ..quant("q4_k_m", 15, Type::Q4K) },
];

impl Quant {
    pub fn named(name: &str) -> Result<Self> {
        let wanted = name.to_ascii_lowercase();
        QUANTS.iter().find(|quant| quant.name == wanted).copied().ok_or_else(|| {
            let names: Vec<_> = QUANTS.iter().map(|quant| quant.name).collect();
            anyhow!("--quant {name}: known are {}", names.join(", "))
        })
    }

    /// The type of a tensor, as `llama-quantize` chooses it for a model whose output is its token embedding.
    pub fn type_of(self, name: &str, dims: &[u64], n_layers: u64) -> Result<Type> {
        let row = dims[0];
        if dims.len() == 1 {
            return Ok(Type::F32); // norms, biases and frequencies are too small to save anything on
        }
        let quantised = !matches!(self.base, Type::F32 | Type::F16 | Type::BF16);
        let is_output = name == "token_embd.weight" && quantised && self.base != Type::Q8_0;
        let is_delicate = name.ends_with("attn_v.weight") || name.ends_with("ffn_down.weight");
        let has_more_bits = self.mixed && is_delicate && has_more_bits(layer_of(name), n_layers);
        let wanted = if is_output || has_more_bits { Type::Q6K } else { self.base };
        wanted.fitting(row)
    }
}

/// llama.cpp's `use_more_bits`: the first and the last eighth of the layers, and every third between.
fn has_more_bits(layer: u64, n_layers: u64) -> bool {
    let eighth = n_layers / 8;
    layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2
}

/// 7 in `blk.7.attn_v.weight`.
fn layer_of(name: &str) -> u64 {
    name.split('.').nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(quant: &str, name: &str, row: u64) -> Type {
        Quant::named(quant).unwrap().type_of(name, &[row, 64], 28).unwrap()
    }

    #[test]
    fn the_mixture_of_q4_k_m() {
        // 28 layers: 0–2, 5, 8, 11, 14, 17, 20, 23 and 24–27 have more bits.
        let better = (0..28)
            .filter(|layer| type_of("q4_k_m", &format!("blk.{layer}.ffn_down.weight"), 1024) == Type::Q6K);
        assert_eq!(better.collect::<Vec<_>>(), [0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 24, 25, 26, 27]);
        assert_eq!(type_of("q4_k_m", "blk.3.attn_v.weight", 1024), Type::Q4K);
        assert_eq!(type_of("q4_k_m", "blk.0.attn_q.weight", 1024), Type::Q4K);
        assert_eq!(type_of("q4_k_m", "token_embd.weight", 1024), Type::Q6K);
    }

    #[test]
    fn rows_that_are_no_multiple_of_256() {
        assert_eq!(type_of("q4_k_m", "blk.0.attn_q.weight", 576), Type::Q5_0);
        assert_eq!(type_of("q4_k_m", "blk.0.attn_v.weight", 576), Type::Q8_0);
        assert_eq!(type_of("q4_0", "token_embd.weight", 576), Type::Q8_0);
        assert_eq!(type_of("q5_k", "blk.0.attn_q.weight", 576), Type::Q5_1);
        assert_eq!(type_of("q4_0", "blk.0.ffn_down.weight", 172), Type::F16);
    }

    #[test]
    fn unquantised_models_and_small_tensors() {
        assert_eq!(type_of("bf16", "token_embd.weight", 576), Type::BF16);
        assert_eq!(Quant::named("Q8_0").unwrap().type_of("output_norm.weight", &[64], 1).unwrap(), Type::F32);
        assert!(Quant::named("q9").unwrap_err().to_string().contains("q4_k_m"));
    }
}
