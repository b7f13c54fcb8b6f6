//! Where bytes that arrive wait for their reader: in the cache if there is one, else in memory.

use std::cell::RefCell;
use std::ops::Range;

use super::cache::{Entry, Lock};
use super::chunks::{CHUNK_BYTES, chunk_of, chunks_of};
use super::window::Window;

/// The chunks of one file that are here.
#[derive(Default)]
pub(super) struct Spool {
    stored: Option<(Entry, Option<Lock>)>,
    /// Why nothing more is stored, in the browser's words.
    stopped: Option<String>,
    /// Whether bytes of a file that was once whole turned out to be damaged.
    damaged: bool,
    /// What is not stored.
    pub window: Window,
}

impl Spool {
    /// Stores what arrives in `entry`.
    pub fn in_entry(entry: Entry, lock: Option<Lock>) -> Self {
        Self { stored: Some((entry, lock)), ..Self::default() }
    }

    /// Stores nothing; `reason` says why if the caller expected otherwise.
    pub fn in_memory(reason: Option<String>) -> Self {
        Self { stopped: reason, ..Self::default() }
    }

    /// The file's entry in the cache.
    pub fn entry(&self) -> Option<&Entry> {
        self.stored.as_ref().map(|(entry, _)| entry)
    }

    /// Takes the entry away.
    pub fn take_entry(&mut self) -> Option<(Entry, Option<Lock>)> {
        self.stored.take()
    }

    /// Why nothing (more) is stored.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Whether stored bytes turned out to be damaged.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Whether everything that arrives is stored, so that there is no end to the room.
    pub fn stores(&self) -> bool {
        self.stopped.is_none() && self.entry().is_some_and(Entry::is_own)
    }

    /// Whether chunk `index` is here.
    pub fn has(&self, index: u64) -> bool {
        self.entry().is_some_and(|entry| entry.chunks().has(index)) || self.window.has(index)
    }

    /// Keeps `bytes`, whole chunks (or the end of the file) from chunk `first` on; in memory only as far as there is
    /// room, or a reader waits for them among `wanted`. Answers how many bytes are new.
    pub fn put(&mut self, first: u64, bytes: &[u8], wanted: &Range<u64>) -> u64 {
        let pieces = bytes.chunks(usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX));
        let pieces: Vec<(u64, &[u8])> = (first..).zip(pieces).collect();
        let new =
            pieces.iter().filter(|(index, _)| !self.has(*index)).map(|(_, piece)| piece.len() as u64).sum();
        if self.stores()
            && let Some((entry, _)) = &mut self.stored
        {
            match entry.write(first, bytes) {
                Ok(()) => return new,
                Err(words) => self.stopped = Some(words),
            }
        }
        for (index, piece) in pieces {
            let ahead = index >= chunk_of(self.window.position()) && self.window.room() > 0;
            if ahead || wanted.contains(&index) {
                self.window.put(index, piece);
            }
        }
        new
    }
}

/// The bytes of `range`, all chunks of which are here; none if one of them turned out not to be.
pub(super) async fn read(spool: &RefCell<Spool>, range: &Range<u64>) -> Option<Vec<u8>> {
    let chunks = chunks_of(range);
    let mut bytes = Vec::new();
    let mut next = chunks.start;
    while next < chunks.end {
        let (run, reading) = {
            let spool = spool.borrow();
            if let Some(chunk) = spool.window.get(next) {
                bytes.extend_from_slice(chunk);
                next += 1;
                continue;
            }
            let entry = spool.entry()?;
            let end = (next..chunks.end).find(|&index| !entry.chunks().has(index)).unwrap_or(chunks.end);
            if end == next {
                return None;
            }
            (next..end, entry.read(&(next..end)))
        };
        let stored = reading.await;
        let mut spool = spool.borrow_mut();
        let (entry, _) = spool.stored.as_mut()?;
        if !entry.check(&run, &stored) {
            spool.damaged |= entry.record.sha256.is_some();
            return None;
        }
        next = run.end;
        if bytes.is_empty() {
            bytes = stored;
        } else {
            bytes.extend_from_slice(&stored);
        }
    }
    // From whole chunks to the bytes that were asked for.
    let skipped = usize::try_from(range.start - chunks.start * CHUNK_BYTES).ok()?;
    bytes.truncate(skipped + usize::try_from(range.end - range.start).ok()?);
    bytes.drain(..skipped.min(bytes.len()));
    Some(bytes)
}
