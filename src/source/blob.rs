//! A `File` or `Blob`, read by slices.

use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::{LocalFuture, Source};
use crate::error::{Error, ErrorKind, Result};

/// A file that the browser holds.
pub struct BlobSource(Blob);

impl BlobSource {
    /// A source over `blob`.
    pub fn new(blob: Blob) -> Self {
        Self(blob)
    }

    /// A source over bytes in JavaScript's memory.
    ///
    /// # Errors
    /// `out_of_memory`
    pub fn of_bytes(bytes: &Uint8Array) -> Result<Self> {
        Blob::new_with_u8_array_sequence(&Array::of1(bytes))
            .map(Self)
            .map_err(|_| Error::new(ErrorKind::OutOfMemory, "the browser cannot hold the model's bytes"))
    }

    #[allow(clippy::cast_precision_loss, reason = "offsets are below 2^53")]
    async fn read_slice(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let failed = |_| {
            Error::new(
                ErrorKind::TruncatedFile,
                "the file can no longer be read: it was changed, moved or deleted",
            )
            .with_hint("Choose the file again.")
        };
        let slice = self.0.slice_with_f64_and_f64(offset as f64, (offset + len) as f64).map_err(failed)?;
        let buffer = JsFuture::from(slice.array_buffer()).await.map_err(failed)?;
        Ok(Uint8Array::new(&ArrayBuffer::from(buffer)).to_vec())
    }
}

impl Source for BlobSource {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes are whole and not negative"
    )]
    fn len(&self) -> Option<u64> {
        Some(self.0.size() as u64)
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
        Box::pin(self.read_slice(offset, len))
    }
}
