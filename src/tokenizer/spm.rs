//! SentencePiece BPE: merges by the score of the token that results.
//!
//! `tokenizers` has BPE by a list of ranked merges only. A list derived from the scores loses the rule for equal
//! scores (leftmost first; Gemma and Phi-3 have many), and costs a million look-ups at load.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

use super::bytes::parse_byte_token;
use super::encoding::{Encoding, Rewritten, spaces_as_signs};
use super::vocab::{Kind, Vocabulary};
use crate::error::{Result, bail};
use crate::gguf::Metadata;

/// Tokens by text with their scores, and the tokens for single bytes.
#[derive(Debug)]
pub(super) struct Spm {
    tokens: HashMap<Box<str>, (u32, f32)>,
    longest: usize,
    bytes: Box<[Option<u32>; 256]>,
    unk: Option<u32>,
    /// A text, and what follows a special token, begins with a space that is not in it.
    pub(super) add_space_prefix: bool,
}

/// A character, or several merged ones; `text[start..end]`.
struct Symbol {
    start: usize,
    end: usize,
    prev: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that together are a token.
struct Bigram {
    score: f32,
    left: usize,
    right: usize,
    /// Where the right one ended when this was pushed: a later merge makes it stale.
    end: usize,
}

impl Ord for Bigram {
    /// Highest score first, then leftmost.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Bigram {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bigram {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Bigram {}

impl Spm {
    /// # Errors
    /// `corrupt_file` if `tokenizer.ggml.scores` is missing or too short.
    pub(super) fn from_gguf(meta: &Metadata, vocab: &Vocabulary) -> Result<Self> {
        let scores = super::scores(meta, vocab.len())?;
        let Some(scores) = scores else {
            bail!(CorruptFile, "a llama vocabulary needs tokenizer.ggml.scores, which is missing")
        };
        let mut tokens = HashMap::with_capacity(vocab.len());
        let mut bytes = Box::new([None; 256]);
        let mut longest = 0;
        for ((id, text, kind), &score) in vocab.iter().zip(&scores) {
            match kind {
                Kind::Byte => {
                    if let Some(slot) = parse_byte_token(text).and_then(|byte| bytes.get_mut(byte as usize)) {
                        *slot = Some(id);
                    }
                }
                // Never out of plain text: they are matched as special tokens, or not at all.
                Kind::Control | Kind::Unknown => {}
                Kind::Normal | Kind::UserDefined | Kind::Unused => {
                    longest = longest.max(text.len());
                    tokens.insert(Box::from(text), (id, score as f32));
                }
            }
        }
        let add_space_prefix = meta.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true);
        Ok(Self { tokens, longest, bytes, unk: vocab.special.unk, add_space_prefix })
    }

    /// Appends the tokens of `text`; `after_special` says that it begins a text or follows a special token.
    pub(super) fn encode(&self, text: &Rewritten<'_>, after_special: bool, out: &mut Encoding) {
        let escaped = spaces_as_signs(text, self.add_space_prefix && after_special);
        let symbols = self.merge(&escaped.text);
        let mut at = (!symbols.is_empty()).then_some(0);
        let mut last_was_unk = false;
        while let Some(symbol) = at.and_then(|index| symbols.get(index)) {
            last_was_unk = self.emit(&escaped, symbol.start..symbol.end, last_was_unk, out);
            at = symbol.next;
        }
    }

    /// Appends the token of a piece of `text`, else its bytes, else one unknown token for a run of such pieces.
    fn emit(&self, text: &Rewritten<'_>, at: Range<usize>, last_was_unk: bool, out: &mut Encoding) -> bool {
        let piece = text.text.get(at.clone()).unwrap_or("");
        if let Some(&(id, _)) = self.tokens.get(piece) {
            out.push(id, text.span(at));
            return false;
        }
        let spelt: Option<Vec<u32>> =
            piece.bytes().map(|byte| self.bytes.get(byte as usize).copied().flatten()).collect();
        if let Some(spelt) = spelt {
            for (id, byte) in spelt.into_iter().zip(at) {
                out.push(id, text.span(byte..byte + 1));
            }
            return false;
        }
        let span = text.span(at);
        match self.unk {
            Some(_) if last_was_unk => out.extend_last(span.end),
            Some(unk) => out.push(unk, span),
            None => {}
        }
        true
    }

    /// The characters of `text`, merged as long as any two neighbours are a token. Merged symbols stay in the
    /// list; following `next` from the first visits the remaining ones.
    fn merge(&self, text: &str) -> Vec<Symbol> {
        let count = text.chars().count();
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .enumerate()
            .map(|(i, (start, c))| Symbol {
                start,
                end: start + c.len_utf8(),
                prev: i.checked_sub(1),
                next: (i + 1 < count).then_some(i + 1),
            })
            .collect();
        let mut heap: BinaryHeap<Bigram> =
            (0..count).filter_map(|i| self.bigram(text, &symbols, Some(i))).collect();
        while let Some(Bigram { left, right, end, .. }) = heap.pop() {
            let (Some(l), Some(r)) = (symbols.get(left), symbols.get(right)) else { continue };
            // Merged symbols are empty; one that has grown since ends elsewhere.
            if l.start == l.end || l.end != r.start || r.end != end || r.start == r.end {
                continue;
            }
            let (prev, next) = (l.prev, r.next);
            if let Some(r) = symbols.get_mut(right) {
                r.start = r.end;
            }
            if let Some(l) = symbols.get_mut(left) {
                (l.end, l.next) = (end, next);
            }
            if let Some(after) = next.and_then(|n| symbols.get_mut(n)) {
                after.prev = Some(left);
            }
            heap.extend(self.bigram(text, &symbols, prev));
            heap.extend(self.bigram(text, &symbols, Some(left)));
        }
        symbols
    }

    /// The pair that begins at symbol `left`, if it is a token.
    fn bigram(&self, text: &str, symbols: &[Symbol], left: Option<usize>) -> Option<Bigram> {
        let left = left?;
        let first = symbols.get(left)?;
        let right = first.next?;
        let end = symbols.get(right)?.end;
        if end - first.start > self.longest {
            return None;
        }
        let &(_, score) = self.tokens.get(text.get(first.start..end)?)?;
        Some(Bigram { score, left, right, end })
    }
}
