//! A BERT-like encoder as data.

use super::keys::Keys;
use crate::error::{Result, bail};
use crate::gguf::Gguf;

/// More layers than any encoder has.
const MAX_LAYERS: usize = 256;

/// A transformer that reads a whole text at once and writes nothing (Devlin et al. 2018).
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderSpec {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Rows of the embedding table.
    pub vocab: usize,
    /// Positions that the model was trained for.
    pub context_length: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads; divides `hidden`.
    pub heads: usize,
    /// Width of the feed-forward.
    pub feed_forward: usize,
    /// Added to the variance by every norm.
    pub norm_eps: f32,
    /// How a text's vector follows from those of its tokens.
    pub pooling: Pooling,
}

/// How a text's vector follows from those of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first one, `[CLS]`.
    First,
    /// The last one.
    Last,
}

impl EncoderSpec {
    /// Reads an encoder's hyper-parameters; `None` for models that write.
    ///
    /// # Errors
    /// `corrupt_file` naming the key or tensor; `unsupported_architecture` naming the key.
    pub fn read(gguf: &Gguf) -> Result<Option<Self>> {
        const FAMILY: &str = "bert";
        if gguf.metadata.str("general.architecture") != Some(FAMILY) {
            return Ok(None);
        }
        let keys = Keys { metadata: &gguf.metadata, family: FAMILY };
        let (hidden, heads) = (keys.required("embedding_length")?, keys.required("attention.head_count")?);
        if hidden % heads != 0 {
            bail!(
                CorruptFile,
                "{} is {hidden}, which {heads} heads cannot share",
                keys.name("embedding_length")
            );
        }
        let layers = keys.required("block_count")?;
        if layers > MAX_LAYERS {
            bail!(CorruptFile, "{} is {layers}", keys.name("block_count"));
        }
        let Some(embedding) = gguf.tensor("token_embd.weight") else {
            bail!(CorruptFile, "tensor token_embd.weight is missing")
        };
        let Some(norm_eps) = keys.float("attention.layer_norm_epsilon")?.filter(|&eps| eps >= 0.0) else {
            bail!(CorruptFile, "metadata key {} is missing", keys.name("attention.layer_norm_epsilon"));
        };
        let pooling = match keys.optional("pooling_type")? {
            None | Some(0 | 1) => Pooling::Mean,
            Some(2) => Pooling::First,
            Some(3) => Pooling::Last,
            Some(other) => bail!(UnsupportedArchitecture, "{} is {other}", keys.name("pooling_type")),
        };
        Ok(Some(Self {
            hidden,
            vocab: embedding.rows(),
            context_length: keys.required("context_length")?,
            layers,
            heads,
            feed_forward: keys.required("feed_forward_length")?,
            norm_eps,
            pooling,
        }))
    }
}
