//! The SHA-256 of a file that is read anyway: bytes are hashed as they pass, each of them once and in file order.
//!
//! Whoever loads a model reads its file forward, but not all of it: padding and unused tensors are left out, and a
//! small table may be looked up ahead of its turn. What was left out is read here when the next read passes it, so
//! that a look-up does not pull the whole file forward and nothing large is read twice.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::{LocalFuture, Source};
use crate::error::{Error, ErrorKind, Result};

/// Shorter reads far ahead are look-ups, which leave the place in the file where it is. Only what it costs to be
/// wrong depends on this: a look-up is read again in its turn.
const LOOK_UP_BYTES: u64 = 64 << 10;
/// A gap up to this size is read at once, whatever the read is that passes it.
const GAP_BYTES: u64 = 1 << 20;
/// What is read at once where nobody else wants the bytes.
const PIECE_BYTES: u64 = 4 << 20;

/// A source whose bytes are hashed while they are read, if anybody wants to know their hash. Reads must not overlap.
pub struct HashingSource {
    inner: Box<dyn Source>,
    expected: Option<String>,
    is_hashing: bool,
    state: RefCell<State>,
}

struct State {
    hasher: Sha256,
    /// Bytes hashed, from the file's beginning.
    hashed: u64,
}

impl State {
    /// Hashes what is new of `bytes`, which lie at `offset`; nothing if they begin beyond what is hashed.
    fn take(&mut self, offset: u64, bytes: &[u8]) {
        let known = self.hashed.checked_sub(offset).and_then(|known| usize::try_from(known).ok());
        if let Some(fresh) = known.and_then(|known| bytes.get(known..)) {
            self.hasher.update(fresh);
            self.hashed += fresh.len() as u64;
        }
    }
}

impl HashingSource {
    /// Hashes what is read from `inner`, if that is to be compared with `expected` (lower-case hexadecimal; else with
    /// what the origin itself promises) or the source wants to know. Not otherwise: it costs time, and what no tensor
    /// needs would be read too.
    ///
    /// # Errors
    /// `hash_mismatch`, if the source is known to be something else.
    pub fn new(inner: Box<dyn Source>, expected: Option<String>) -> Result<Self> {
        let expected = expected.or_else(|| inner.expected_sha256());
        let known = inner.known_sha256();
        if let (Some(expected), Some(known)) = (&expected, &known) {
            compare(known, expected)?;
        }
        let is_hashing = known.is_none() && (expected.is_some() || inner.wants_hash());
        Ok(Self {
            inner,
            expected,
            is_hashing,
            state: RefCell::new(State { hasher: Sha256::new(), hashed: 0 }),
        })
    }

    /// Reads what nobody has read yet and compares the whole file's hash. Answers the hash, if it is known.
    ///
    /// # Errors
    /// `hash_mismatch`; what the source fails with.
    pub async fn finish(&self) -> Result<Option<String>> {
        if !self.is_hashing && !self.inner.wants_hash() {
            return Ok(self.inner.known_sha256());
        }
        self.inner.read_ahead();
        self.pass(self.inner.len().unwrap_or(u64::MAX)).await?;
        let digest = self.state.borrow().hasher.clone().finalize();
        let found = digest.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        if let Some(expected) = &self.expected
            && let Err(error) = compare(&found, expected)
        {
            self.inner.refuse().await;
            return Err(error);
        }
        self.inner.commit(&found).await?;
        Ok(Some(found))
    }

    /// Hashes everything up to `end`, or to where the source ends.
    async fn pass(&self, end: u64) -> Result<()> {
        loop {
            let at = self.state.borrow().hashed;
            if at >= end {
                return Ok(());
            }
            let bytes = self.inner.read(at, PIECE_BYTES.min(end - at)).await?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.state.borrow_mut().take(at, &bytes);
        }
    }

    async fn read_hashed(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        if !self.is_hashing {
            return self.inner.read(offset, len).await;
        }
        let hashed = self.state.borrow().hashed;
        if offset > hashed && (len > LOOK_UP_BYTES || offset - hashed <= GAP_BYTES) {
            self.pass(offset).await?;
        }
        let bytes = self.inner.read(offset, len).await?;
        self.state.borrow_mut().take(offset, &bytes);
        Ok(bytes)
    }
}

fn compare(found: &str, expected: &str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let detail = format!("the model's SHA-256 is {found}; {expected} was expected");
    Err(Error::new(ErrorKind::HashMismatch, detail).with_hint(
        "The file was changed or damaged, or the sha256 option is another file's: compare it with the publisher's.",
    ))
}

impl Source for Rc<HashingSource> {
    fn len(&self) -> Option<u64> {
        self.inner.len()
    }

    fn read_ahead(&self) {
        self.inner.read_ahead();
    }

    fn is_cached(&self) -> bool {
        self.inner.is_cached()
    }

    fn refuse(&self) -> LocalFuture<'_, ()> {
        self.inner.refuse()
    }

    fn notes(&self) -> Vec<String> {
        self.inner.notes()
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
        Box::pin(self.read_hashed(offset, len))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;
    use pollster::block_on;

    /// Counts the bytes that are read from it, and may keep its length to itself.
    struct Counted(Vec<u8>, Rc<RefCell<u64>>, bool);

    impl Source for Counted {
        fn len(&self) -> Option<u64> {
            self.2.then_some(self.0.len() as u64)
        }

        fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
            let start = (offset as usize).min(self.0.len());
            let end = (offset.saturating_add(len) as usize).min(self.0.len());
            *self.1.borrow_mut() += (end - start) as u64;
            Box::pin(std::future::ready(Ok(self.0[start..end].to_vec())))
        }
    }

    /// "abc", from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn plain_hash(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_known_hash() {
        for knows_length in [true, false] {
            let file = Counted(b"abc".to_vec(), Rc::default(), knows_length);
            let source = HashingSource::new(Box::new(file), Some(ABC.into())).unwrap();
            assert_eq!(block_on(source.finish()).unwrap().as_deref(), Some(ABC));
        }
        let file = Counted(b"abd".to_vec(), Rc::default(), true);
        let source = HashingSource::new(Box::new(file), Some(ABC.into())).unwrap();
        let error = block_on(source.finish()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HashMismatch);
        assert!(error.detail().contains(ABC) && error.detail().contains(&plain_hash(b"abd")), "{error}");
    }

    /// However the file is read, its hash is that of the whole, and reads give what the source gives.
    #[test]
    fn any_order_of_reads() {
        let bytes: Vec<u8> =
            (0..9_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let expected = plain_hash(&bytes);
        let all = bytes.len() as u64;
        let reads: &[&[(u64, u64)]] = &[
            &[],
            &[(0, all)],
            &[(0, 1000), (500, 1000), (1532, 4 << 20), (5_000_000, 4 << 20)],
            &[(0, 1000), (8_000_000, 256), (1000, 4 << 20), (7_999_000, 2_000_000)],
            &[(8_999_999, 100), (all, 10), (0, 10), (all + 5, 10)],
            &[(6_000_000, 100_000), (10, 20)],
        ];
        for reads in reads {
            let count = Rc::new(RefCell::new(0));
            let source = Box::new(Counted(bytes.clone(), Rc::clone(&count), true));
            let source = Rc::new(HashingSource::new(source, Some(expected.clone())).unwrap());
            for &(offset, len) in *reads {
                let range = offset.min(all) as usize..(offset + len).min(all) as usize;
                assert_eq!(
                    block_on(source.read(offset, len)).unwrap(),
                    bytes[range.start.min(range.end)..range.end]
                );
            }
            block_on(source.finish()).unwrap();
            let read = *count.borrow();
            assert!(read <= all + 500 + 256 + 100 + 20, "{reads:?} read {read} bytes of {all}");
        }
    }
}
