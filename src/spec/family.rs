//! What follows from a family's name alone: no key of the file says it.

use crate::kernels::activation::Activation;

/// One model family.
#[derive(Debug, PartialEq)]
pub struct Family {
    /// `general.architecture`
    pub name: &'static str,
    /// RoPE rotates neighbours (2i, 2i + 1); the weights are re-ordered at load so that the engine rotates halves.
    pub interleaved_rope: bool,
    /// Activation of the feed-forward.
    pub activation: Activation,
    /// Embeddings are multiplied by √hidden.
    pub sqrt_embedding: bool,
    /// Every n-th layer has no positions.
    pub nope_step: Option<usize>,
    /// Which layers have the sliding window.
    pub window: WindowRule,
    /// Attention scale where no key gives it.
    pub attention_scale: AttentionScale,
    /// Values get a weightless norm.
    pub value_norm: bool,
    /// `token_embd_norm` is the final norm.
    pub final_norm_is_embd_norm: bool,
    /// `post_attention_norm` is the feed-forward's input norm.
    pub post_attn_norm_is_ffn_norm: bool,
    /// Experts' weights are renormalised; none where the family has no experts.
    pub experts_renormalise: Option<bool>,
    /// Local layers have their own RoPE base, unscaled.
    pub local_rope: bool,
    /// Residual branches run in parallel where no key says otherwise.
    pub parallel_residual: bool,
}

/// Which layers have the sliding window, where no array says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowRule {
    /// None, whatever the keys say.
    Never,
    /// All, if there is a window.
    All,
    /// All but every n-th (the last of each n).
    AllButEvery(usize),
}

/// Factor of the attention scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionScale {
    /// `1 / √key_dim`
    KeyDim,
    /// As `KeyDim`; but with this many layers (the 27 B models) `1 / √(hidden / heads)`.
    KeyDimUnlessLayers(usize),
    /// 1.
    One,
}

/// What most families are like.
const PLAIN: Family = Family {
    name: "",
    interleaved_rope: false,
    activation: Activation::Silu,
    sqrt_embedding: false,
    nope_step: None,
    window: WindowRule::Never,
    attention_scale: AttentionScale::KeyDim,
    value_norm: false,
    final_norm_is_embd_norm: false,
    post_attn_norm_is_ffn_norm: false,
    experts_renormalise: None,
    local_rope: false,
    parallel_residual: false,
};

const GEMMA: Family = Family { activation: Activation::GeluTanh, sqrt_embedding: true, ..PLAIN };

/// Every family that is supported.
pub static FAMILIES: &[Family] = &[
    Family { name: "llama", interleaved_rope: true, window: WindowRule::All, ..PLAIN },
    Family { name: "qwen2", ..PLAIN },
    Family { name: "qwen3", ..PLAIN },
    Family { name: "phi3", window: WindowRule::All, ..PLAIN },
    Family { name: "gemma", ..GEMMA },
    Family {
        name: "gemma2",
        window: WindowRule::AllButEvery(2),
        attention_scale: AttentionScale::KeyDimUnlessLayers(46),
        ..GEMMA
    },
    Family {
        name: "gemma3",
        window: WindowRule::AllButEvery(6),
        attention_scale: AttentionScale::KeyDimUnlessLayers(62),
        local_rope: true,
        ..GEMMA
    },
    Family {
        name: "gemma4",
        window: WindowRule::AllButEvery(6),
        attention_scale: AttentionScale::One,
        value_norm: true,
        local_rope: true,
        ..GEMMA
    },
    Family { name: "smollm3", interleaved_rope: true, nope_step: Some(4), ..PLAIN },
    Family { name: "granite", interleaved_rope: true, ..PLAIN },
    Family { name: "olmo2", window: WindowRule::AllButEvery(4), local_rope: true, ..PLAIN },
    Family { name: "mistral3", interleaved_rope: true, ..PLAIN },
    Family { name: "stablelm", ..PLAIN },
    Family { name: "gptneox", activation: Activation::GeluErf, parallel_residual: true, ..PLAIN },
    Family { name: "qwen3moe", experts_renormalise: Some(true), ..PLAIN },
    Family { name: "olmoe", experts_renormalise: Some(false), ..PLAIN },
    Family { name: "lfm2", final_norm_is_embd_norm: true, ..PLAIN },
    Family { name: "lfm2moe", final_norm_is_embd_norm: true, experts_renormalise: Some(true), ..PLAIN },
    Family { name: "qwen35", post_attn_norm_is_ffn_norm: true, ..PLAIN },
];
