//! The model as data: every hyper-parameter and quirk that the forward pass needs, read from the
//! metadata and from which tensors exist.
//!
//! This module is the only one that spells GGUF hyper-parameter keys. What follows from a family's name
//! alone is a row of [`FAMILIES`].
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attention;
mod encoder;
mod family;
mod keys;
mod read;
mod rope;

pub use encoder::{EncoderSpec, Pooling};
pub use family::{FAMILIES, Family};
pub use rope::{RopeFactors, RopeScaling, RopeSpec};

use crate::kernels::activation::Activation;
use crate::kernels::attention::QueryTemperature;
use crate::kernels::experts::Gating;

/// A decoder-only transformer.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The family's name, as in `general.architecture`.
    pub family: &'static Family,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Rows of the embedding table.
    pub vocab: usize,
    /// Positions that the model was trained for.
    pub context_length: usize,
    /// LayerNorm instead of RMSNorm.
    pub layer_norm: bool,
    /// Added to the variance by every norm.
    pub norm_eps: f32,
    /// Factor of the embeddings.
    pub embedding_scale: f32,
    /// Factor of both branches of every layer.
    pub residual_scale: f32,
    /// Factor of the logits.
    pub logit_scale: f32,
    /// Soft cap of the logits.
    pub logit_softcap: Option<f32>,
    /// Attention and feed-forward read the same residual stream.
    pub parallel_residual: bool,
    /// Width of Gemma 4's per-layer embeddings.
    pub per_layer_input: Option<usize>,
    /// Rows of queries and keys lie so that RoPE rotates neighbours: they are re-ordered at load.
    pub interleaved_rope: bool,
    /// The layers.
    pub layers: Vec<LayerSpec>,
    /// Rotary embeddings in use; layers refer to them by index.
    pub ropes: Vec<RopeSpec>,
    /// How a text's vector follows from those of its tokens; `None` for models that give texts a rank instead.
    pub pooling: Option<Pooling>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSpec {
    /// What mixes information between tokens.
    pub mixer: Mixer,
    /// What works on each token alone.
    pub feed_forward: FeedForward,
    /// Norm before the mixer.
    pub attn_norm: bool,
    /// Norm of the mixer's output, before it is added.
    pub post_attn_norm: bool,
    /// Norm before the feed-forward.
    pub ffn_norm: bool,
    /// Norm of the feed-forward's output, before it is added.
    pub post_ffn_norm: bool,
    /// A learned factor of the whole layer's output.
    pub output_scale: bool,
}

/// What mixes information between tokens.
#[derive(Debug, Clone, PartialEq)]
pub enum Mixer {
    /// Softmax attention.
    Attention(AttentionSpec),
    /// LFM2's gated convolution with so many taps.
    ShortConv(usize),
    /// Qwen 3.5's gated delta net.
    DeltaNet(DeltaNetSpec),
}

/// Which norm queries and keys get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QkNorm {
    /// None.
    Absent,
    /// Over each head.
    PerHead,
    /// Over the whole projection.
    Whole,
}

/// Softmax attention of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionSpec {
    /// Query heads.
    pub heads: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Dimensions of a query or key head.
    pub key_dim: usize,
    /// Dimensions of a value head.
    pub value_dim: usize,
    /// Norm of queries and keys.
    pub qk_norm: QkNorm,
    /// Values get a weightless norm over each head.
    pub value_norm: bool,
    /// Index into [`Spec::ropes`]; none for a layer without positions.
    pub rope: Option<usize>,
    /// Factor of the scores.
    pub scale: f32,
    /// Soft cap of the scores.
    pub softcap: Option<f32>,
    /// Sliding window, in positions.
    pub window: Option<usize>,
    /// Position-dependent factor of the queries.
    pub temperature: Option<QueryTemperature>,
    /// The layer whose keys and values are read instead of own ones.
    pub shared_kv: Option<usize>,
    /// The query projection carries a gate for each head's output.
    pub gated: bool,
}

/// Gated delta net of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct DeltaNetSpec {
    /// Key heads.
    pub key_heads: usize,
    /// Value heads.
    pub value_heads: usize,
    /// Dimensions of a key head.
    pub key_dim: usize,
    /// Dimensions of a value head.
    pub value_dim: usize,
    /// Taps of the convolution.
    pub taps: usize,
}

/// What works on each token alone.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedForward {
    /// One network.
    Dense {
        /// Inner width.
        width: usize,
        /// Activation.
        activation: Activation,
        /// Whether the activation gates a second projection.
        gated: bool,
    },
    /// A mixture of experts.
    Experts(ExpertsSpec),
}

/// Experts of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpertsSpec {
    /// How many there are.
    pub count: usize,
    /// How many a token uses.
    pub used: usize,
    /// Inner width of one.
    pub width: usize,
    /// Scores to weights.
    pub gating: Gating,
    /// Divide the chosen weights by their sum.
    pub renormalise: bool,
    /// Factor of the weights.
    pub scale: f32,
    /// Whether a bias steers the choice.
    pub selection_bias: bool,
    /// Activation.
    pub activation: Activation,
}
