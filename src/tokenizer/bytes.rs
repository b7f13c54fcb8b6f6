//! How vocabularies spell bytes: GPT-2's printable alphabet, SentencePiece's `▁` and `<0xNN>`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The sign that SentencePiece writes for a space.
pub(super) const SPACE: char = '▁';

/// How the ordinary tokens of a vocabulary stand for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// GPT-2: each byte is one printable character.
    ByteLevel,
    /// SentencePiece: text, with `▁` for a space.
    Metaspace,
    /// WordPiece of tokenizer.json: `##` marks a continuation, every other token begins a word.
    Hashes,
    /// The text itself.
    Plain,
}

impl Spelling {
    /// The bytes that a token spelt `text` adds to a text.
    pub(super) fn bytes(self, text: &str) -> Cow<'_, [u8]> {
        match self {
            Self::ByteLevel => decode_byte_level(text).map_or(Cow::Borrowed(text.as_bytes()), Cow::Owned),
            Self::Metaspace if text.contains(SPACE) => Cow::Owned(text.replace(SPACE, " ").into_bytes()),
            Self::Hashes => match text.strip_prefix("##") {
                Some(rest) => Cow::Borrowed(rest.as_bytes()),
                None => Cow::Owned(format!(" {text}").into_bytes()),
            },
            Self::Metaspace | Self::Plain => Cow::Borrowed(text.as_bytes()),
        }
    }
}

/// GPT-2's alphabet: printable bytes are themselves, the other 68 are the characters from U+0100 on.
static ALPHABET: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut next = 0x100u32;
    std::array::from_fn(|byte| {
        let byte = byte as u8;
        if matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF) {
            return char::from(byte);
        }
        next += 1;
        char::from_u32(next - 1).unwrap_or(char::REPLACEMENT_CHARACTER)
    })
});

static BYTE_OF: LazyLock<HashMap<char, u8>> =
    LazyLock::new(|| (0..=u8::MAX).zip(ALPHABET.iter()).map(|(byte, &c)| (c, byte)).collect());

/// `text` in GPT-2's alphabet, appended to `out`.
pub(super) fn encode_byte_level(text: &str, out: &mut String) {
    out.extend(text.bytes().filter_map(|byte| ALPHABET.get(byte as usize)));
}

/// The bytes that `text` spells in GPT-2's alphabet; `None` if a character is not of it.
fn decode_byte_level(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| BYTE_OF.get(&c).copied()).collect()
}

/// The byte that a token like `<0x0A>` stands for.
pub(super) fn parse_byte_token(text: &str) -> Option<u8> {
    let hex = text.strip_prefix("<0x")?.strip_suffix('>')?;
    if hex.len() != 2 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn byte_level_alphabet_is_gpt2s() {
        assert_eq!((ALPHABET[b' ' as usize], ALPHABET[b'\n' as usize], ALPHABET[0xAD]), ('Ġ', 'Ċ', 'Ń'));
        let all: Vec<u8> = (0..=255).collect();
        let spelt: String = all.iter().map(|&b| ALPHABET[b as usize]).collect();
        assert_eq!(decode_byte_level(&spelt), Some(all));
        assert_eq!(decode_byte_level("a b"), None);
    }

    #[test]
    fn byte_tokens() {
        assert_eq!(parse_byte_token("<0x0A>"), Some(10));
        for bad in ["<0x>", "<0x+1>", "<0x123>", "0x12", "<0xé>"] {
            assert_eq!(parse_byte_token(bad), None, "{bad}");
        }
    }
}
