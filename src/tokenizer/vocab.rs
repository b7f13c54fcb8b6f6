//! The vocabulary as a table: what each id reads as, which bytes it stands for, and which ids are special.

use std::collections::HashSet;

use super::bytes::{self, Spelling};
use super::strings::Strings;
use crate::error::{Result, bail};
use crate::gguf::Metadata;

/// What a token is for. The discriminants are those of `tokenizer.ggml.token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

impl Kind {
    fn from_gguf(value: i64) -> Self {
        match value {
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => Self::Normal,
        }
    }
}

/// Ids with a meaning of their own; absent where the model has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpecialIds {
    /// Beginning of a text.
    pub bos: Option<u32>,
    /// End of a text.
    pub eos: Option<u32>,
    /// End of a chat turn.
    pub eot: Option<u32>,
    /// End of a message that expects a tool's answer.
    pub eom: Option<u32>,
    /// Stands for what the vocabulary cannot spell.
    pub unk: Option<u32>,
    /// Separator of encoder models.
    pub sep: Option<u32>,
    /// Padding.
    pub pad: Option<u32>,
    /// Mask of encoder models.
    pub mask: Option<u32>,
}

/// Every token of a model.
#[derive(Debug)]
pub(super) struct Vocabulary {
    text: Strings,
    bytes: Strings,
    kinds: Vec<Kind>,
    pub(super) special: SpecialIds,
    /// Ids that end a generation, sorted.
    pub(super) eog: Vec<u32>,
}

/// Tokens that end a turn or a text in some model family. Only a control or user-defined token with such a text
/// counts: in an ordinary vocabulary `</s>` may be a piece of HTML.
const EOG_TEXTS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
];

/// The first of these that is a control token ends a turn, where the file does not say which does.
const EOT_TEXTS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<turn|>",
    "<|end_of_text|>",
    "<EOT>",
    "[EOT]",
    "<|endoftext|>",
];

impl Vocabulary {
    /// Reads `tokenizer.ggml.tokens`, `token_type` and the special ids.
    ///
    /// # Errors
    /// `corrupt_file` naming the key that is missing or contradicts the others.
    pub(super) fn from_gguf(meta: &Metadata, spelling: Spelling, defaults: SpecialIds) -> Result<Self> {
        const TOKENS: &str = "tokenizer.ggml.tokens";
        const TYPES: &str = "tokenizer.ggml.token_type";
        let Some(tokens) = meta.strs(TOKENS) else {
            bail!(CorruptFile, "the vocabulary is missing: {TOKENS} is not an array of strings")
        };
        if tokens.is_empty() || u32::try_from(tokens.len()).is_err() {
            bail!(CorruptFile, "{TOKENS} has {} entries", tokens.len());
        }
        let types = meta.ints(TYPES);
        match (types, meta.get(TYPES)) {
            (Some(types), _) if types.len() < tokens.len() => {
                bail!(CorruptFile, "{TYPES} has {} entries for {} tokens", types.len(), tokens.len())
            }
            (None, Some(_)) => bail!(CorruptFile, "{TYPES} is not an array of integers"),
            _ => {}
        }
        let mut vocab = Self::empty();
        let mut seen = HashSet::with_capacity(tokens.len());
        for (id, text) in tokens.iter().enumerate() {
            if !text.is_empty() && !seen.insert(text.as_str()) {
                bail!(CorruptFile, "{TOKENS} has {text:?} twice, the second time at {id}");
            }
            let kind = types.and_then(|t| t.get(id)).map_or(Kind::Normal, |&t| Kind::from_gguf(t));
            vocab.push(text, kind, spelling);
        }
        vocab.special = read_special_ids(meta, vocab.len(), defaults)?;
        vocab.finish();
        Ok(vocab)
    }

    pub(super) fn empty() -> Self {
        Self {
            text: Strings::default(),
            bytes: Strings::default(),
            kinds: Vec::new(),
            special: SpecialIds::default(),
            eog: Vec::new(),
        }
    }

    /// Appends the token with the next id.
    pub(super) fn push(&mut self, text: &str, kind: Kind, spelling: Spelling) {
        self.text.push(text.as_bytes());
        match kind {
            Kind::Control | Kind::UserDefined | Kind::Unknown => self.bytes.push(text.as_bytes()),
            Kind::Byte => match bytes::parse_byte_token(text) {
                Some(byte) => self.bytes.push(&[byte]),
                None => self.bytes.push(text.as_bytes()),
            },
            Kind::Normal | Kind::Unused => self.bytes.push(&spelling.bytes(text)),
        }
        self.kinds.push(kind);
    }

    /// Finds what the file does not say: the end-of-turn token, and every token that ends a generation.
    pub(super) fn finish(&mut self) {
        let named: Vec<(u32, &'static str)> = (0..self.len() as u32)
            .filter(|&id| matches!(self.kind(id), Some(Kind::Control | Kind::UserDefined)))
            .filter_map(|id| EOG_TEXTS.iter().find(|&&t| t == self.text(id)).map(|&t| (id, t)))
            .collect();
        let find = |text: &str| named.iter().find(|(_, t)| *t == text).map(|&(id, _)| id);
        if self.special.eot.is_none() {
            self.special.eot = EOT_TEXTS.iter().find_map(|text| find(text));
        }
        if self.special.eom.is_none() {
            self.special.eom = find("<|eom_id|>");
        }
        // In the harmony and solar-open formats <|end|> closes one of several messages of a turn.
        let end_goes_on = find("<|call|>").or(find("<|calls|>")).is_some()
            && find("<|return|>").or(find("<|flush|>")).is_some();
        // Gemma 4 keeps a </s> that means nothing to it.
        let s_goes_on = find("<|tool_response>").is_some();
        let mut eog: Vec<u32> = named
            .iter()
            .filter(|&&(_, text)| match text {
                "<|end|>" => !end_goes_on,
                "</s>" => !s_goes_on,
                _ => true,
            })
            .map(|&(id, _)| id)
            .collect();
        if end_goes_on && self.special.eot == find("<|end|>") {
            self.special.eot = None;
        }
        eog.extend([self.special.eos, self.special.eot, self.special.eom].into_iter().flatten());
        eog.sort_unstable();
        eog.dedup();
        self.eog = eog;
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn kind(&self, id: u32) -> Option<Kind> {
        self.kinds.get(id as usize).copied()
    }

    /// The token as the file spells it; empty for an id outside the vocabulary.
    pub(super) fn text(&self, id: u32) -> &str {
        self.text.get(id as usize).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }

    /// The bytes that the token adds to a text; empty for an id outside the vocabulary.
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id as usize).unwrap_or(&[])
    }

    /// All tokens in order: id, spelling, kind.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &str, Kind)> {
        (0u32..).zip(&self.kinds).map(|(id, &kind)| (id, self.text(id), kind))
    }
}

fn read_special_ids(meta: &Metadata, len: usize, defaults: SpecialIds) -> Result<SpecialIds> {
    // 0xFFFFFFFF is how some writers say "none"; an id outside the vocabulary can never be met.
    let id = |key: &str| meta.u64(key).filter(|&id| id < len as u64).map(|id| id as u32);
    for key in ["tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"] {
        if let Some(bad) = meta.u64(key).filter(|&id| id >= len as u64 && id != u64::from(u32::MAX)) {
            bail!(CorruptFile, "{key} is {bad}, the vocabulary has {len} tokens");
        }
    }
    let or = |key: &str, default: Option<u32>| {
        if meta.get(key).is_some() { id(key) } else { default.filter(|&d| (d as usize) < len) }
    };
    Ok(SpecialIds {
        bos: or("tokenizer.ggml.bos_token_id", id("tokenizer.ggml.cls_token_id").or(defaults.bos)),
        eos: or("tokenizer.ggml.eos_token_id", defaults.eos),
        eot: or("tokenizer.ggml.eot_token_id", defaults.eot),
        eom: or("tokenizer.ggml.eom_token_id", defaults.eom),
        unk: or("tokenizer.ggml.unknown_token_id", defaults.unk),
        // The key has been misspelt since the first converter.
        sep: or("tokenizer.ggml.seperator_token_id", defaults.sep),
        pad: or("tokenizer.ggml.padding_token_id", defaults.pad),
        mask: or("tokenizer.ggml.mask_token_id", defaults.mask),
    })
}
