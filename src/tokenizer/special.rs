//! Cuts a text at the special tokens that are written in it.

use std::collections::HashMap;
use std::ops::Range;

use super::vocab::{Kind, Vocabulary};

/// A piece of a text, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fragment<'t> {
    Text { text: &'t str, start: usize },
    Token { id: u32, span: Range<usize> },
}

#[derive(Debug, Clone, Copy)]
struct Special {
    id: u32,
    /// Control tokens are only seen where the caller parses special tokens; user-defined ones always.
    control: bool,
    /// Swallows the white space after it (Phi-3).
    rstrip: bool,
}

/// All tokens that are matched in the text as they are, before any other rule.
#[derive(Debug, Default)]
pub(super) struct Specials {
    by_text: HashMap<Box<str>, Special>,
    /// For each first byte, the lengths that occur, longest first.
    lengths: HashMap<u8, Vec<usize>>,
}

impl Specials {
    /// `phi3` models swallow white space after most of their special tokens; no metadata says so.
    pub(super) fn new(vocab: &Vocabulary, phi3: bool) -> Self {
        let mut specials = Self::default();
        for (id, text, kind) in vocab.iter() {
            let Some(&first) = text.as_bytes().first() else { continue };
            if !matches!(kind, Kind::Control | Kind::Unknown | Kind::UserDefined) {
                continue;
            }
            let rstrip = phi3 && !matches!(text, "<unk>" | "<s>" | "<|endoftext|>");
            let special = Special { id, control: kind != Kind::UserDefined, rstrip };
            specials.by_text.insert(text.into(), special);
            specials.lengths.entry(first).or_default().push(text.len());
        }
        for lengths in specials.lengths.values_mut() {
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            lengths.dedup();
        }
        specials
    }

    /// Cuts `text`: leftmost match first, the longest where several begin at one place.
    pub(super) fn split<'t>(&self, text: &'t str, parse_special: bool) -> Vec<Fragment<'t>> {
        let mut fragments = Vec::new();
        let mut rest_from = 0;
        let mut at = 0;
        while let Some(&byte) = text.as_bytes().get(at) {
            let found = self.lengths.get(&byte).and_then(|lengths| {
                lengths.iter().find_map(|&len| {
                    let special = self.by_text.get(text.get(at..at + len)?)?;
                    (parse_special || !special.control).then_some((*special, len))
                })
            });
            let Some((special, len)) = found else {
                at += 1;
                continue;
            };
            push_text(&mut fragments, text.get(rest_from..at), rest_from);
            fragments.push(Fragment::Token { id: special.id, span: at..at + len });
            at += len;
            if special.rstrip {
                let rest = text.get(at..).unwrap_or("");
                at += rest.len() - rest.trim_start().len();
            }
            rest_from = at;
        }
        push_text(&mut fragments, text.get(rest_from..), rest_from);
        fragments
    }
}

fn push_text<'t>(fragments: &mut Vec<Fragment<'t>>, text: Option<&'t str>, start: usize) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        fragments.push(Fragment::Text { text, start });
    }
}
