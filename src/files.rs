//! A model's files, whichever way they come: one GGUF file, its splits, or a directory with safetensors.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::error::Result;
use crate::gguf::Gguf;
use crate::safetensors::Directory;
use crate::source::Source;
use crate::tokenizer::Tokenizer;

/// Everything that loading needs but the weights.
pub struct ModelFiles {
    /// Hyper-parameters and tensors.
    pub table: Gguf,
    /// The vocabulary.
    pub tokenizer: Tokenizer,
}

impl ModelFiles {
    /// Reads headers and vocabulary.
    ///
    /// # Errors
    /// What [`Gguf::read`], [`Directory::read`] and the tokenizer fail with.
    pub async fn read(parts: &[Box<dyn Source>]) -> Result<Self> {
        if Directory::is_one(parts).await? {
            let Directory { table, tokenizer, tokenizer_config } = Directory::read(parts).await?;
            let tokenizer = Tokenizer::from_json(&tokenizer, tokenizer_config.as_deref())?;
            return Ok(Self { table, tokenizer });
        }
        let table = Gguf::read(parts).await?;
        let tokenizer = Tokenizer::from_gguf(&table.metadata)?;
        Ok(Self { table, tokenizer })
    }
}
