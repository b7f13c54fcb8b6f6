//! Ids back into text, one at a time.

use std::ops::Deref;

use super::Tokenizer;

/// Turns a stream of ids into a stream of text that never holds half a character.
///
/// `T` is anything that points at a tokenizer: `&Tokenizer`, `Rc<Tokenizer>`, `Arc<Tokenizer>`.
/// What all calls of [`push`](Self::push) and [`finish`](Self::finish) return, joined, equals
/// [`Tokenizer::decode`] of all ids (for [`at_start`](Self::at_start)).
#[derive(Debug, Clone)]
pub struct Detokenizer<T> {
    tokenizer: T,
    skip_special: bool,
    /// Control tokens that are text all the same.
    shown: Vec<u32>,
    /// The next text is the first: a space that encoding put before it is taken off.
    at_start: bool,
    /// Bytes that may become a character.
    pending: Vec<u8>,
}

impl<T: Deref<Target = Tokenizer>> Detokenizer<T> {
    /// For ids that begin a text.
    pub fn at_start(tokenizer: T, skip_special: bool) -> Self {
        Self { tokenizer, skip_special, shown: Vec::new(), at_start: true, pending: Vec::new() }
    }

    /// For ids that continue a text, as generated ones continue their prompt: a leading space is kept.
    pub fn continuing(tokenizer: T, skip_special: bool) -> Self {
        Self { at_start: false, ..Self::at_start(tokenizer, skip_special) }
    }

    /// With these control tokens as the text they are spelt with.
    #[must_use]
    pub fn showing(mut self, ids: &[u32]) -> Self {
        self.shown = ids.to_vec();
        self
    }

    /// The text that `id` completes; empty while a character is not whole. Bytes that cannot become a character
    /// are U+FFFD.
    pub fn push(&mut self, id: u32) -> String {
        if self.skip_special && self.tokenizer.is_skipped(id) && !self.shown.contains(&id) {
            return String::new();
        }
        let bytes = self.tokenizer.token_bytes(id);
        if bytes.is_empty() {
            return String::new();
        }
        let strip = std::mem::take(&mut self.at_start) && self.tokenizer.strips_leading_space();
        let bytes = if strip { bytes.strip_prefix(b" ").unwrap_or(bytes) } else { bytes };
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                }
                Err(error) => {
                    let (valid, tail) = rest.split_at_checked(error.valid_up_to()).unwrap_or((rest, &[]));
                    text.push_str(std::str::from_utf8(valid).unwrap_or(""));
                    rest = tail;
                    let Some(broken) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = rest.get(broken..).unwrap_or(&[]);
                }
            }
        }
        self.pending = rest.to_vec();
        text
    }

    /// What is left when no id follows: U+FFFD for an unfinished character.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}
