//! Bytes that are already in memory.

use super::{LocalFuture, Source};
use crate::error::Result;

/// A file held in memory.
pub struct MemorySource(Vec<u8>);

impl MemorySource {
    /// A source over `bytes`.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Source for MemorySource {
    fn len(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let end = usize::try_from(offset.saturating_add(len)).unwrap_or(usize::MAX).min(self.0.len());
        let bytes = self.0.get(start..end).unwrap_or_default().to_vec();
        Box::pin(std::future::ready(Ok(bytes)))
    }
}
