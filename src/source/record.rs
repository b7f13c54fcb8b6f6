//! What the cache knows of a file: where it came from, and, once all of it is there, its SHA-256.
//!
//! A record is stored twice, in two slots that are written in turn, so that a write that is cut short leaves the one
//! before. The hash is written last, after the data: a record with one is the commit.

use serde::{Deserialize, Serialize};

use super::chunks::checksum;

/// Bytes of a slot, enough for a few signed URLs.
pub(super) const SLOT_BYTES: usize = 16 << 10;
const MAGIC: [u8; 4] = *b"TMC1";
/// Magic, number, length, checksum.
const HEAD_BYTES: usize = 4 + 4 + 4 + 8;

/// A URL at which a file was found, and what the server said of its version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    pub url: String,
    pub etag: Option<String>,
    pub modified: Option<String>,
}

/// A file of the cache.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Where it came from, the first to be found first.
    pub origins: Vec<Origin>,
    /// Its length in bytes.
    pub len: u64,
    /// Its SHA-256, once all of it has been stored.
    pub sha256: Option<String>,
    /// When it was last used, in milliseconds since 1970.
    pub used: f64,
}

impl Record {
    /// What is known of the file at `url`.
    pub fn origin(&self, url: &str) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.url == url)
    }

    /// Adds or replaces what is known of the file at `origin.url`.
    pub fn learn(&mut self, origin: Origin) {
        self.origins.retain(|known| known.url != origin.url);
        self.origins.push(origin);
    }

    /// Whether `model` means this file: a URL, or its SHA-256.
    pub fn is(&self, model: &str) -> bool {
        self.origin(model).is_some()
            || self.sha256.as_deref().is_some_and(|sha256| sha256.eq_ignore_ascii_case(model))
    }

    /// The slot for the `number`th version of the record; none if it is too long.
    pub fn to_slot(&self, number: u32) -> Option<Vec<u8>> {
        let json = serde_json::to_vec(self).ok().filter(|json| json.len() <= SLOT_BYTES - HEAD_BYTES)?;
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.extend_from_slice(&MAGIC);
        slot.extend_from_slice(&number.to_le_bytes());
        slot.extend_from_slice(&u32::try_from(json.len()).ok()?.to_le_bytes());
        slot.extend_from_slice(&checksum(number.into(), &json).to_le_bytes());
        slot.extend_from_slice(&json);
        slot.resize(SLOT_BYTES, 0);
        Some(slot)
    }

    /// The newest sound record of the two slots that `bytes` begin with, and its number.
    pub fn from_slots(bytes: &[u8]) -> Option<(u32, Self)> {
        bytes.chunks(SLOT_BYTES).take(2).filter_map(Self::from_slot).max_by_key(|(number, _)| *number)
    }

    fn from_slot(slot: &[u8]) -> Option<(u32, Self)> {
        let word = |at: usize| slot.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        if slot.get(..4)? != MAGIC {
            return None;
        }
        let (number, len) = (word(4)?, usize::try_from(word(8)?).ok()?);
        let sum = u64::from_le_bytes(slot.get(12..HEAD_BYTES)?.try_into().ok()?);
        let json = slot.get(HEAD_BYTES..HEAD_BYTES.checked_add(len)?)?;
        let record = serde_json::from_slice(json).ok()?;
        (checksum(number.into(), json) == sum).then_some((number, record))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;

    fn record(url: &str) -> Record {
        let origin = Origin { url: url.into(), etag: Some("\"1\"".into()), modified: None };
        Record { origins: vec![origin], len: 5, sha256: None, used: 1e12 }
    }

    #[test]
    fn the_newer_of_two_slots_is_taken() {
        let mut bytes = record("a").to_slot(6).unwrap();
        bytes.extend(record("b").to_slot(7).unwrap());
        assert_eq!(Record::from_slots(&bytes), Some((7, record("b"))));
        bytes.truncate(SLOT_BYTES);
        assert_eq!(Record::from_slots(&bytes), Some((6, record("a"))));
    }

    #[test]
    fn any_damage_leaves_the_other_slot() {
        let slots = [record("a").to_slot(6).unwrap(), record("b").to_slot(7).unwrap()].concat();
        let used = HEAD_BYTES + serde_json::to_vec(&record("b")).unwrap().len();
        for at in SLOT_BYTES..SLOT_BYTES + used {
            let mut bytes = slots.clone();
            bytes[at] ^= 0x10;
            assert_eq!(Record::from_slots(&bytes), Some((6, record("a"))), "byte {at}");
        }
        for len in 0..used {
            assert_eq!(Record::from_slots(&slots[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_cut_off() {
        assert_eq!(record(&"x".repeat(SLOT_BYTES)).to_slot(1), None);
    }

    #[test]
    fn a_record_is_found_by_url_or_hash() {
        let mut record = record("https://a/b.gguf");
        record.sha256 = Some("ab".repeat(32));
        for (model, is) in
            [("https://a/b.gguf", true), (&*"AB".repeat(32), true), ("https://a/", false), ("", false)]
        {
            assert_eq!(record.is(model), is, "{model:?}");
        }
        record.learn(Origin { url: "https://a/b.gguf".into(), etag: None, modified: None });
        assert_eq!(record.origins.len(), 1);
    }
}
