//! A `File` or `Blob`, read by slices.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use js_sys::{Array, ArrayBuffer, Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Blob;

use super::{LocalFuture, Source};
use crate::error::{Error, ErrorKind, Result};

/// What is read at once when all of it will be read. Every slice is a message to the browser's process and back.
const PIECE_BYTES: u64 = 2 << 20;

/// A file that the browser holds.
pub struct BlobSource {
    blob: Blob,
    reads_on: Cell<bool>,
    /// The piece that the reader is in, and the next one, which the browser fetches meanwhile; by number.
    pieces: RefCell<BTreeMap<u64, Promise>>,
}

impl BlobSource {
    /// A source over `blob`.
    pub fn new(blob: Blob) -> Self {
        Self { blob, reads_on: Cell::new(false), pieces: RefCell::default() }
    }

    /// A source over bytes in JavaScript's memory.
    ///
    /// # Errors
    /// `out_of_memory`
    pub fn of_bytes(bytes: &Uint8Array) -> Result<Self> {
        Blob::new_with_u8_array_sequence(&Array::of1(bytes))
            .map(Self::new)
            .map_err(|_| Error::new(ErrorKind::OutOfMemory, "the browser cannot hold the model's bytes"))
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes are whole and not negative"
    )]
    fn size(&self) -> u64 {
        self.blob.size() as u64
    }

    #[allow(clippy::cast_precision_loss, reason = "offsets are below 2^53")]
    fn slice(&self, offset: u64, len: u64) -> Result<Promise> {
        let slice = self.blob.slice_with_f64_and_f64(offset as f64, (offset + len) as f64);
        slice.map(|slice| slice.array_buffer()).map_err(unreadable)
    }

    async fn read_slice(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        Ok(arrived(self.slice(offset, len)?).await?.to_vec())
    }

    async fn read_pieces(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let end = (offset + len).min(self.size());
        let mut bytes = Vec::new();
        let mut at = offset;
        while at < end {
            let number = at / PIECE_BYTES;
            let piece = arrived(self.piece(number)?).await?;
            let to = end.min((number + 1) * PIECE_BYTES);
            let within = |position: u64| u32::try_from(position - number * PIECE_BYTES).unwrap_or(u32::MAX);
            bytes.extend(piece.subarray(within(at), within(to)).to_vec());
            at = to;
        }
        Ok(bytes)
    }

    /// Piece `number`; the one behind it is asked for, too, and those before it are dropped.
    fn piece(&self, number: u64) -> Result<Promise> {
        let mut pieces = self.pieces.borrow_mut();
        pieces.retain(|&kept, _| kept >= number);
        for wanted in [number, number + 1] {
            if wanted * PIECE_BYTES < self.size() && !pieces.contains_key(&wanted) {
                let piece = self.slice(wanted * PIECE_BYTES, PIECE_BYTES)?;
                // Whoever reads it learns of a failure; until then it must not count as one that nobody caught.
                let fails = piece.clone();
                spawn_local(async move {
                    let _ = JsFuture::from(fails).await;
                });
                pieces.insert(wanted, piece);
            }
        }
        pieces.get(&number).cloned().ok_or_else(|| unreadable(JsValue::NULL))
    }
}

async fn arrived(slice: Promise) -> Result<Uint8Array> {
    Ok(Uint8Array::new(&ArrayBuffer::from(JsFuture::from(slice).await.map_err(unreadable)?)))
}

#[allow(clippy::needless_pass_by_value, reason = "as `map_err` calls it")]
fn unreadable(_: JsValue) -> Error {
    Error::new(ErrorKind::TruncatedFile, "the file can no longer be read: it was changed, moved or deleted")
        .with_hint("Choose the file again.")
}

impl Source for BlobSource {
    fn len(&self) -> Option<u64> {
        Some(self.size())
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
        if self.reads_on.get() {
            Box::pin(self.read_pieces(offset, len))
        } else {
            Box::pin(self.read_slice(offset, len))
        }
    }

    fn read_ahead(&self) {
        self.reads_on.set(true);
    }
}
