//! Gives back what a header's reader read too much of, so that no byte is fetched twice.
//!
//! A header is read in growing pieces, because its length stands nowhere; the last piece reaches into the tensors.
//! They are read next, from a place inside that piece.

use std::cell::RefCell;

use super::{LocalFuture, Source};
use crate::error::Result;

/// A source that remembers the last of the first reads, until reading has gone back into it and on beyond it.
pub struct ReplaySource {
    inner: Box<dyn Source>,
    kept: RefCell<Kept>,
}

#[derive(Default)]
struct Kept {
    start: u64,
    bytes: Vec<u8>,
    phase: Phase,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Phase {
    /// Reads go on from one another: each replaces the one before.
    #[default]
    Header,
    /// A read went back: what is kept serves it.
    Replay,
    /// Reading is beyond what was kept; nothing is kept any more.
    Passed,
}

impl Kept {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// What is kept of `len` bytes from `offset`.
    fn serve(&mut self, offset: u64, len: u64) -> Vec<u8> {
        let from = offset.checked_sub(self.start).and_then(|from| usize::try_from(from).ok());
        let Some(kept) = from.and_then(|from| self.bytes.get(from..)) else { return Vec::new() };
        let served = kept.get(..usize::try_from(len).unwrap_or(usize::MAX)).unwrap_or(kept).to_vec();
        if !served.is_empty() {
            self.phase = Phase::Replay;
        }
        served
    }

    /// Learns that `bytes` were read from `offset`, all or the rest of them from the inner source.
    fn learn(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        match self.phase {
            Phase::Header if offset == self.end() => (self.start, self.bytes) = (offset, bytes.to_vec()),
            // A look-up far ahead changes nothing: only a read that leads over the end has passed it.
            Phase::Replay if offset <= self.end() && end > self.end() => {
                *self = Self { phase: Phase::Passed, ..Self::default() };
            }
            _ => {}
        }
    }
}

impl ReplaySource {
    /// Remembers reads of `inner`.
    pub fn new(inner: Box<dyn Source>) -> Self {
        Self { inner, kept: RefCell::default() }
    }

    async fn read_kept(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let mut bytes = self.kept.borrow_mut().serve(offset, len);
        let missing = len - bytes.len() as u64;
        if missing > 0 {
            let rest = self.inner.read(offset + bytes.len() as u64, missing).await?;
            if bytes.is_empty() {
                bytes = rest;
            } else {
                bytes.extend_from_slice(&rest);
            }
            self.kept.borrow_mut().learn(offset, &bytes);
        }
        Ok(bytes)
    }
}

impl Source for ReplaySource {
    fn len(&self) -> Option<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
        Box::pin(self.read_kept(offset, len))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;
    use pollster::block_on;
    use std::rc::Rc;

    type Reads = Rc<RefCell<Vec<(u64, u64)>>>;

    /// Notes what is read of it.
    struct Noted(Vec<u8>, Reads);

    impl Source for Noted {
        fn len(&self) -> Option<u64> {
            Some(self.0.len() as u64)
        }

        fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
            self.1.borrow_mut().push((offset, len));
            let end = (offset + len).min(self.0.len() as u64);
            Box::pin(std::future::ready(Ok(self.0[offset as usize..end as usize].to_vec())))
        }
    }

    /// What the inner source is asked for when `reads` are made.
    fn asked(reads: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let bytes: Vec<u8> = (0..=255).cycle().take(2000).collect();
        let asked = Reads::default();
        let source = ReplaySource::new(Box::new(Noted(bytes.clone(), Rc::clone(&asked))));
        for &(offset, len) in reads {
            let end = (offset + len).min(2000) as usize;
            assert_eq!(
                block_on(source.read(offset, len)).unwrap(),
                bytes[offset as usize..end],
                "{offset} {len}"
            );
        }
        assert!(source.kept.borrow().bytes.len() <= 400, "nothing large stays behind");
        let asked = asked.borrow();
        asked.clone()
    }

    #[test]
    fn a_header_and_then_tensors_from_within_it() {
        let reads = [(0, 100), (100, 300), (150, 50), (200, 500), (700, 800), (1500, 600)];
        assert_eq!(asked(&reads), [(0, 100), (100, 300), (400, 300), (700, 800), (1500, 600)]);
    }

    #[test]
    fn a_look_up_forgets_nothing() {
        let reads = [(0, 400), (1000, 10), (350, 10), (1000, 10), (360, 100), (460, 100)];
        assert_eq!(asked(&reads), [(0, 400), (1000, 10), (1000, 10), (400, 60), (460, 100)]);
    }

    #[test]
    fn what_was_passed_is_read_again_if_it_must() {
        assert_eq!(asked(&[(0, 400), (100, 400), (0, 50)]), [(0, 400), (400, 100), (0, 50)]);
        assert_eq!(asked(&[(0, 400), (100, 10), (400, 100), (100, 10)]), [(0, 400), (400, 100), (100, 10)]);
    }
}
