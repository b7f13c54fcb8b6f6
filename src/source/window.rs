//! The part of a file that is held in memory where it cannot be stored: chunks that arrived ahead of their reader.

use std::collections::BTreeMap;
use std::ops::Range;

use super::chunks::{CHUNK_BYTES, chunk_of};

/// Bytes that may wait in memory, claimed ones included.
pub(super) const WINDOW_BYTES: u64 = 12 << 20;
/// Shorter reads beyond a gap are look-ups, which leave the reader where it is.
const LOOK_UP_BYTES: u64 = 64 << 10;
const GAP_BYTES: u64 = 1 << 20;

/// Chunks in memory.
#[derive(Debug, Default)]
pub(super) struct Window {
    chunks: BTreeMap<u64, Vec<u8>>,
    /// Where the reader is.
    position: u64,
}

impl Window {
    /// Where the reader is: nothing before it is wanted any more.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether chunk `index` is here.
    pub fn has(&self, index: u64) -> bool {
        self.chunks.contains_key(&index)
    }

    /// Chunk `index`.
    pub fn get(&self, index: u64) -> Option<&[u8]> {
        self.chunks.get(&index).map(Vec::as_slice)
    }

    /// Keeps chunk `index`.
    pub fn put(&mut self, index: u64, bytes: &[u8]) {
        self.chunks.insert(index, bytes.to_vec());
    }

    /// Chunks that may still be fetched ahead.
    pub fn room(&self) -> u64 {
        (WINDOW_BYTES / CHUNK_BYTES).saturating_sub(self.chunks.len() as u64)
    }

    /// Learns that `range` was read; what lies behind the reader is dropped.
    ///
    /// A header is read in growing pieces, the last of which reaches into the tensors: as long as nobody is `streaming`
    /// the last piece stays, for the tensors will be read from within it.
    pub fn passed(&mut self, range: &Range<u64>, streaming: bool) {
        let behind = if streaming {
            let reads_on =
                range.end - range.start > LOOK_UP_BYTES || range.start <= self.position + GAP_BYTES;
            (reads_on && range.end > self.position).then_some(range.end)
        } else {
            (range.start == self.position).then_some(range.start)
        };
        let Some(behind) = behind else { return };
        self.position = range.end;
        self.chunks = self.chunks.split_off(&chunk_of(behind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(chunks: Range<u64>) -> Window {
        let mut window = Window::default();
        for index in chunks {
            window.put(index, &[1]);
        }
        window
    }

    #[test]
    fn what_was_read_is_dropped() {
        let mut window = filled(0..10);
        window.passed(&(0..3 * CHUNK_BYTES + 5), true);
        assert_eq!((window.has(2), window.has(3), window.position()), (false, true, 3 * CHUNK_BYTES + 5));
        assert_eq!(window.room(), WINDOW_BYTES / CHUNK_BYTES - 7);
        assert_eq!((window.get(2), window.get(3)), (None, Some(&[1][..])));
    }

    #[test]
    fn a_gap_is_passed_too() {
        let mut window = filled(0..10);
        window.passed(&(8 * CHUNK_BYTES..9 * CHUNK_BYTES), true);
        assert_eq!((window.has(7), window.has(9)), (false, true));
    }

    #[test]
    fn the_last_piece_of_a_header_stays() {
        let mut window = filled(0..20);
        window.passed(&(0..4 * CHUNK_BYTES), false);
        window.passed(&(4 * CHUNK_BYTES..8 * CHUNK_BYTES), false);
        // A look-up of a table, before the tensors are read.
        window.passed(&(15 * CHUNK_BYTES..15 * CHUNK_BYTES + 4), false);
        assert_eq!((window.has(3), window.has(4), window.position()), (false, true, 8 * CHUNK_BYTES));
        window.passed(&(5 * CHUNK_BYTES..6 * CHUNK_BYTES), true);
        assert!(window.has(4), "still behind");
        window.passed(&(6 * CHUNK_BYTES..9 * CHUNK_BYTES), true);
        assert_eq!((window.has(8), window.has(9)), (false, true));
    }

    #[test]
    fn a_look_up_moves_nothing() {
        let mut window = filled(0..200);
        let far = 100 * CHUNK_BYTES;
        window.passed(&(far..far + 4), true);
        assert_eq!((window.has(0), window.position()), (true, 0));
        // A long read there is the reader itself.
        window.passed(&(far..far + LOOK_UP_BYTES + 1), true);
        assert!(!window.has(99));
    }

    #[test]
    fn reading_again_what_is_behind_moves_nothing() {
        let mut window = filled(0..10);
        window.passed(&(0..5 * CHUNK_BYTES), true);
        window.passed(&(0..100), true);
        assert_eq!((window.position(), window.has(5)), (5 * CHUNK_BYTES, true));
    }
}
