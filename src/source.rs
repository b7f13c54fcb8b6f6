//! Where bytes come from: read by range, asynchronously, one door for every kind of origin.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::future::Future;
use std::pin::Pin;

use crate::error::Result;

#[cfg(target_arch = "wasm32")]
mod blob;
#[cfg(not(target_arch = "wasm32"))]
mod file;
mod hashing;
#[cfg(target_arch = "wasm32")]
mod http;
mod memory;
mod replay;
#[cfg(any(test, target_arch = "wasm32"))]
mod retry;

#[cfg(target_arch = "wasm32")]
pub use blob::BlobSource;
#[cfg(not(target_arch = "wasm32"))]
pub use file::FileSource;
pub use hashing::HashingSource;
#[cfg(target_arch = "wasm32")]
pub use http::{HttpSource, RequestRecord, requests};
pub use memory::MemorySource;
pub use replay::ReplaySource;

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
}
