//! Tokens of a text and where in the text each of them is, also where rules rewrote the text first.

use std::borrow::Cow;
use std::ops::Range;

use super::bytes::SPACE;

/// Tokens of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Their ids.
    pub ids: Vec<u32>,
    /// The bytes of the text that each stands for, to whole characters: two tokens that share a character have both all
    /// of it. Empty for tokens that are not in the text.
    pub spans: Vec<Range<usize>>,
}

impl Encoding {
    pub(super) fn push(&mut self, id: u32, span: Range<usize>) {
        self.ids.push(id);
        self.spans.push(span);
    }

    /// Moves the end of the last token.
    pub(super) fn extend_last(&mut self, end: usize) {
        if let Some(last) = self.spans.last_mut() {
            last.end = end.max(last.end);
        }
    }

    /// Widens every span of `text` to whole characters.
    pub(super) fn round(&mut self, text: &str) {
        for span in &mut self.spans {
            if span.start < span.end {
                *span = text.floor_char_boundary(span.start)..text.ceil_char_boundary(span.end);
            }
        }
    }

    /// The spans in units of UTF-16, as JavaScript counts; `text` is what was encoded.
    pub fn utf16_spans(&self, text: &str) -> Vec<Range<usize>> {
        // Spans may overlap and go back, but never far: every byte's place is looked up.
        let mut units = vec![0; text.len() + 1];
        let mut unit = 0;
        for (at, c) in text.char_indices() {
            if let Some(place) = units.get_mut(at) {
                *place = unit;
            }
            unit += c.len_utf16();
        }
        units.pop();
        units.push(unit);
        let unit = |at: usize| units.get(at).copied().unwrap_or(unit);
        self.spans.iter().map(|span| unit(span.start)..unit(span.end)).collect()
    }
}

/// A text as an algorithm wants it, and where its bytes come from.
#[derive(Debug)]
pub(super) struct Rewritten<'t> {
    pub text: Cow<'t, str>,
    /// Where in the original the text begins, if it is a piece of it as it was.
    start: usize,
    /// Of each byte of a text that was rewritten: the bytes of the original that it stands for.
    origins: Vec<Range<usize>>,
}

impl<'t> Rewritten<'t> {
    /// A text as it is, which begins at byte `start` of the original.
    pub fn unchanged(text: &'t str, start: usize) -> Self {
        Self { text: Cow::Borrowed(text), start, origins: Vec::new() }
    }

    /// An empty text, to which others are added.
    pub fn empty(capacity: usize) -> Self {
        let text = Cow::Owned(String::with_capacity(capacity));
        Self { text, start: 0, origins: Vec::with_capacity(capacity) }
    }

    /// Adds `text`, which stands for the bytes `origin` of the original.
    pub fn push(&mut self, text: &str, origin: Range<usize>) {
        self.text.to_mut().push_str(text);
        self.origins.extend(std::iter::repeat_n(origin, text.len()));
    }

    /// The bytes of the original that `range` of the text stands for.
    pub fn span(&self, range: Range<usize>) -> Range<usize> {
        if let Cow::Borrowed(_) = self.text {
            return self.start + range.start..self.start + range.end;
        }
        let before = range.start.checked_sub(1).and_then(|last| self.origins.get(last));
        let start = self.origins.get(range.start).or(before).map_or(0, |origin| origin.start);
        let end = range.end.checked_sub(1).and_then(|last| self.origins.get(last));
        start..end.map_or(start, |origin| origin.end).max(start)
    }

    /// Every character with its span.
    pub fn chars(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.text.char_indices().map(|(at, c)| {
            let end = at + c.len_utf8();
            (self.text.get(at..end).unwrap_or_default(), self.span(at..end))
        })
    }
}

/// `text` with SentencePiece's sign for every space, and one more in front if `prefixed`.
pub(super) fn spaces_as_signs(text: &Rewritten<'_>, prefixed: bool) -> Rewritten<'static> {
    let mut sign = [0; 4];
    let sign: &str = SPACE.encode_utf8(&mut sign);
    let mut signed = Rewritten::empty(text.text.len() + text.text.len() / 2);
    if prefixed {
        let start = text.span(0..0).start;
        signed.push(sign, start..start);
    }
    for (c, origin) in text.chars() {
        signed.push(if c == " " { sign } else { c }, origin);
    }
    signed
}
