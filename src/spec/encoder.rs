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

impl Pooling {
    const KEY: &str = "pooling_type";

    /// What the file says, or `default`; `None` where a text gets no vector but something else, such as a rank.
    ///
    /// # Errors
    /// `corrupt_file`
    pub(super) fn read(keys: &Keys<'_>, default: Self) -> Result<Option<Self>> {
        Ok(match keys.optional(Self::KEY)? {
            None | Some(0) => Some(default),
            Some(1) => Some(Pooling::Mean),
            Some(2) => Some(Pooling::First),
            Some(3) => Some(Pooling::Last),
            Some(_) => None,
        })
    }
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
        let Some(pooling) = Pooling::read(&keys, Pooling::Mean)? else {
            let number = keys.optional(Pooling::KEY)?.unwrap_or(0);
            bail!(UnsupportedArchitecture, "{} is {number}", keys.name(Pooling::KEY))
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
