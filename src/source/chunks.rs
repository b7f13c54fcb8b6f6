//! Which pieces of a file are here, and whether they are still what arrived.
//!
//! A file is cut into chunks of 16 KiB. Each has a checksum, by which damage in the cache is noticed whenever the chunk
//! is read. It guards against accidents (flipped bits, writes that a crash cut short), not against an attacker: whoever
//! can write into a page's private files can write the checksums too. So it is XXH3, which costs next to nothing, and
//! the file as a whole has a SHA-256, computed once while it was downloaded.

use std::ops::Range;

use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

/// Bytes of a chunk: few enough that a download that is killed loses next to nothing, enough that the table of a
/// gigabyte is half a megabyte.
pub(super) const CHUNK_BYTES: u64 = 16 << 10;

/// The chunk in which byte `offset` lies.
pub(super) fn chunk_of(offset: u64) -> u64 {
    offset / CHUNK_BYTES
}

/// Chunks that hold the bytes of `range`.
pub(super) fn chunks_of(range: &Range<u64>) -> Range<u64> {
    chunk_of(range.start)..range.end.div_ceil(CHUNK_BYTES)
}

/// Checksum of chunk `index`: never 0, and another one where the same bytes stand elsewhere.
pub(super) fn checksum(index: u64, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, index).max(1)
}

/// A name for `text` that is a valid file name.
pub(super) fn name_of(text: &str) -> String {
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

/// The chunks of one file: the checksum of each that is here, 0 for the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunks {
    file_len: u64,
    sums: Vec<u64>,
}

impl Chunks {
    /// No chunk of a file of `file_len` bytes is here.
    pub fn none(file_len: u64) -> Self {
        let count = usize::try_from(file_len.div_ceil(CHUNK_BYTES)).unwrap_or(0);
        Self { file_len, sums: vec![0; count] }
    }

    /// A table as [`Chunks::to_bytes`] writes it. What is cut off of it counts as missing.
    pub fn from_bytes(file_len: u64, bytes: &[u8]) -> Self {
        let mut chunks = Self::none(file_len);
        for (sum, bytes) in chunks.sums.iter_mut().zip(bytes.chunks_exact(8)) {
            *sum = bytes.try_into().map_or(0, u64::from_le_bytes);
        }
        chunks
    }

    /// The part of the table for `chunks`, as it is stored.
    pub fn to_bytes(&self, chunks: Range<u64>) -> Vec<u8> {
        chunks.flat_map(|index| self.sum(index).to_le_bytes()).collect()
    }

    /// Number of chunks of the whole file.
    pub fn count(&self) -> u64 {
        self.sums.len() as u64
    }

    /// Bytes of chunk `index`.
    pub fn bytes_of(&self, index: u64) -> Range<u64> {
        let start = index * CHUNK_BYTES;
        start..(start + CHUNK_BYTES).min(self.file_len)
    }

    /// Whether chunk `index` is here.
    pub fn has(&self, index: u64) -> bool {
        self.sum(index) != 0
    }

    /// Checksum of chunk `index`, 0 if it is not here.
    pub fn sum(&self, index: u64) -> u64 {
        usize::try_from(index).ok().and_then(|index| self.sums.get(index)).copied().unwrap_or(0)
    }

    /// Notes what is known of chunk `index`: its checksum, or 0 if it is not here.
    pub fn set(&mut self, index: u64, sum: u64) {
        if let Some(slot) = usize::try_from(index).ok().and_then(|index| self.sums.get_mut(index)) {
            *slot = sum;
        }
    }

    /// Whether `bytes` are what chunk `index` holds.
    pub fn matches(&self, index: u64, bytes: &[u8]) -> bool {
        self.has(index) && self.sum(index) == checksum(index, bytes)
    }

    /// Bytes that are here.
    pub fn bytes_here(&self) -> u64 {
        (0..self.count()).filter(|&index| self.has(index)).map(|index| self.len_of(index)).sum()
    }

    /// Whether all of them are.
    pub fn is_whole(&self) -> bool {
        self.sums.iter().all(|&sum| sum != 0)
    }

    fn len_of(&self, index: u64) -> u64 {
        let Range { start, end } = self.bytes_of(index);
        end - start
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const LEN: u64 = 2 * CHUNK_BYTES + 100;

    #[test]
    fn the_last_chunk_is_shorter() {
        let mut chunks = Chunks::none(LEN);
        assert_eq!((chunks.count(), chunks.bytes_of(2)), (3, 2 * CHUNK_BYTES..LEN));
        chunks.set(2, 7);
        assert_eq!(chunks.bytes_here(), 100);
        assert!(!chunks.is_whole());
        chunks.set(0, 7);
        chunks.set(1, 7);
        assert!(chunks.is_whole());
        assert_eq!(chunks.bytes_here(), LEN);
        assert_eq!(chunks_of(&(CHUNK_BYTES - 1..CHUNK_BYTES + 1)), 0..2);
        assert_eq!(chunks_of(&(0..CHUNK_BYTES)), 0..1);
    }

    #[test]
    fn a_table_survives_storage_and_being_cut() {
        let mut chunks = Chunks::none(LEN);
        for index in 0..3 {
            chunks.set(index, checksum(index, &[1, 2, 3]));
        }
        let bytes = chunks.to_bytes(0..3);
        assert_eq!(Chunks::from_bytes(LEN, &bytes), chunks);
        let cut = Chunks::from_bytes(LEN, bytes.get(..17).unwrap());
        assert_eq!((cut.has(0), cut.has(1), cut.has(2)), (true, true, false));
    }

    #[test]
    fn names_are_file_names() {
        let name = name_of("https://a/b?c=d");
        assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        assert_ne!(name, name_of("https://a/b?c=e"));
    }

    #[test]
    fn other_bytes_and_other_places_are_noticed() {
        let mut chunks = Chunks::none(LEN);
        let mut bytes = vec![5; 1000];
        chunks.set(1, checksum(1, &bytes));
        assert!(chunks.matches(1, &bytes));
        assert!(!chunks.matches(0, &bytes), "it is not here");
        assert_ne!(checksum(0, &bytes), checksum(1, &bytes), "chunks that changed places");
        *bytes.last_mut().unwrap() ^= 1;
        assert!(!chunks.matches(1, &bytes), "one bit");
    }
}
