//! Where bytes come from: read by range, asynchronously, one door for every kind of origin.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::future::Future;
use std::pin::Pin;

use crate::error::Result;

#[cfg(target_arch = "wasm32")]
mod blob;
#[cfg(target_arch = "wasm32")]
mod cache;
#[cfg(any(test, target_arch = "wasm32"))]
mod chunks;
#[cfg(any(test, target_arch = "wasm32"))]
mod claims;
#[cfg(not(target_arch = "wasm32"))]
mod file;
mod hashing;
#[cfg(target_arch = "wasm32")]
mod http;
mod memory;
#[cfg(any(test, target_arch = "wasm32"))]
mod record;
#[cfg(any(test, target_arch = "wasm32"))]
mod retry;
#[cfg(target_arch = "wasm32")]
mod spool;
#[cfg(target_arch = "wasm32")]
mod wait;
#[cfg(any(test, target_arch = "wasm32"))]
mod window;

#[cfg(target_arch = "wasm32")]
pub use blob::BlobSource;
#[cfg(target_arch = "wasm32")]
pub use cache::{Cache, CachedFile, Usage, Verified};
#[cfg(not(target_arch = "wasm32"))]
pub use file::FileSource;
pub use hashing::HashingSource;
#[cfg(target_arch = "wasm32")]
pub use http::{HttpOptions, HttpSource, Keep, RequestRecord, hub_url, requests};
pub use memory::MemorySource;
#[cfg(target_arch = "wasm32")]
pub use wait::{sleep, user_agent};

/// A future that need not be `Send`: everything of a page runs in one worker.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Bytes that can be read by range.
pub trait Source {
    /// Length in bytes, where the origin tells it.
    fn len(&self) -> Option<u64>;

    /// Whether the source is known to hold nothing.
    fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Up to `len` bytes from `offset`; fewer only where the source ends.
    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>>;

    /// Says that everything will be read, forward, so that it may be fetched before it is asked for.
    fn read_ahead(&self) {}

    /// Whether all of it is in this browser's cache.
    fn is_cached(&self) -> bool {
        false
    }

    /// Bytes of it that need not be fetched from anywhere.
    fn bytes_here(&self) -> u64 {
        self.len().unwrap_or(0)
    }

    /// The SHA-256, in lower-case hexadecimal, that the origin says the whole has.
    fn expected_sha256(&self) -> Option<String> {
        None
    }

    /// The SHA-256 of the whole, if it was computed before and what is read is checked to be the same.
    fn known_sha256(&self) -> Option<String> {
        None
    }

    /// Whether [`Source::commit`] should be told the hash.
    fn wants_hash(&self) -> bool {
        false
    }

    /// Says that all of it was read, and that its SHA-256 is this.
    fn commit<'a>(&'a self, _sha256: &'a str) -> LocalFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Says that it is not what it should be: none of it is to be kept.
    fn refuse(&self) -> LocalFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// What the caller should know of, in sentences.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}
