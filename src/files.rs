//! A model's files, whichever way they come: one GGUF file, its splits, or a directory with safetensors.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::error::{ErrorKind, Result};
use crate::gguf::Gguf;
use crate::safetensors::Directory;
use crate::source::{LocalFuture, Source};
use crate::tokenizer::Tokenizer;

/// Everything that loading needs but the weights.
pub struct ModelFiles {
    /// Hyper-parameters and tensors.
    pub table: Gguf,
    /// The vocabulary.
    pub tokenizer: Tokenizer,
}

impl ModelFiles {
    /// Reads headers and vocabulary. On the heap, as its callers would each have a copy of the code.
    ///
    /// # Errors
    /// What [`Gguf::read`], [`Directory::read`] and the tokenizer fail with.
    pub fn read(parts: &[Box<dyn Source>]) -> LocalFuture<'_, Result<Self>> {
        Box::pin(Self::read_whichever(parts))
    }

    async fn read_whichever(parts: &[Box<dyn Source>]) -> Result<Self> {
        if Directory::is_one(parts).await? {
            let Directory { table, tokenizer, tokenizer_config } = Directory::read(parts).await?;
            let tokenizer = Tokenizer::from_json(&tokenizer, tokenizer_config.as_deref())?;
            return Ok(Self { table, tokenizer });
        }
        let table = Gguf::read(parts).await?;
        let tokenizer = Tokenizer::from_gguf(&table.metadata)?;
        Ok(Self { table, tokenizer })
    }

    /// As [`ModelFiles::read`]; what is no model at all is not kept, lest a page that a server sent in a file's place
    /// stays in its place.
    ///
    /// # Errors
    /// As [`ModelFiles::read`].
    pub async fn read_or_refuse(parts: &[Box<dyn Source>]) -> Result<Self> {
        let files = Self::read(parts).await;
        if files.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotGguf) {
            for part in parts {
                part.refuse().await;
            }
        }
        files
    }
}
