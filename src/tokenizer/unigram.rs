//! Unigram language model (`tokenizer.ggml.model = t5`), on `tokenizers`' Unigram.

use tokenizers::Model;
use tokenizers::models::unigram::Unigram;

use super::bytes::SPACE;
use super::charsmap::Charsmap;
use super::encoding::{Encoding, Rewritten, spaces_as_signs};
use super::library_error;
use super::vocab::{Kind, Vocabulary};
use crate::error::{Result, bail};
use crate::gguf::{Array, Metadata, Value};

const CHARSMAP: &str = "tokenizer.ggml.precompiled_charsmap";

/// Normalises white space and characters, then finds the most likely segmentation.
#[derive(Debug)]
pub(super) struct UnigramLm {
    charsmap: Option<Charsmap>,
    model: Unigram,
    add_space_prefix: bool,
    remove_extra_whitespaces: bool,
}

impl UnigramLm {
    /// # Errors
    /// `corrupt_file` if scores or the unknown token are missing, or the character map is malformed.
    pub(super) fn from_gguf(meta: &Metadata, vocab: &Vocabulary) -> Result<Self> {
        let Some(scores) = super::scores(meta, vocab.len())? else {
            bail!(CorruptFile, "a t5 vocabulary needs tokenizer.ggml.scores, which is missing")
        };
        let Some(unk) = vocab.special.unk else {
            bail!(CorruptFile, "a t5 vocabulary needs tokenizer.ggml.unknown_token_id")
        };
        let mut has_bytes = false;
        let pieces = vocab
            .iter()
            .zip(&scores)
            .map(|((id, text, kind), &score)| {
                has_bytes |= kind == Kind::Byte;
                match kind {
                    // Never found in plain text: a name that no text has.
                    _ if text.is_empty() => (format!("\u{10FFFF}{id}\u{10FFFF}"), 0.0),
                    Kind::Control | Kind::Unknown => (format!("\u{10FFFF}{id}\u{10FFFF}"), 0.0),
                    // User-defined tokens win over any split; NaN would win over everything.
                    Kind::UserDefined => (text.to_owned(), 0.0),
                    Kind::Normal | Kind::Unused | Kind::Byte => {
                        (text.to_owned(), if score.is_finite() { score } else { f64::from(f32::MIN) })
                    }
                }
            })
            .collect();
        let model = Unigram::from(pieces, Some(unk as usize), has_bytes)
            .map_err(|e| library_error("the vocabulary is not usable", e))?;
        Ok(Self {
            charsmap: read_charsmap(meta)?,
            model,
            add_space_prefix: meta.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true),
            remove_extra_whitespaces: meta.bool("tokenizer.ggml.remove_extra_whitespaces").unwrap_or(true),
        })
    }

    /// Appends the tokens of `text`.
    ///
    /// # Errors
    /// `corrupt_file` if the library refuses the text.
    pub(super) fn encode(&self, text: &Rewritten<'_>, out: &mut Encoding) -> Result<()> {
        let normalized = self.normalize(text);
        if normalized.text.is_empty() {
            return Ok(());
        }
        let tokens = self
            .model
            .tokenize(&normalized.text)
            .map_err(|e| library_error("the text cannot be encoded", e))?;
        for token in &tokens {
            out.push(token.id, normalized.span(token.offsets.0..token.offsets.1));
        }
        Ok(())
    }

    fn normalize(&self, text: &Rewritten<'_>) -> Rewritten<'static> {
        let mapped = self.charsmap.as_ref().map(|map| map.normalize(text));
        let text = mapped.as_ref().unwrap_or(text);
        if !self.remove_extra_whitespaces {
            return spaces_as_signs(text, self.add_space_prefix && !text.text.is_empty());
        }
        let mut words = Rewritten::empty(text.text.len() + 3);
        // The space that is due before the next word: what it stands for.
        let mut space = self.add_space_prefix.then(|| text.span(0..0));
        for (c, origin) in text.chars() {
            if c == " " {
                let is_first = words.text.is_empty() && !self.add_space_prefix;
                space = (!is_first).then_some(origin);
                continue;
            }
            if let Some(space) = space.take() {
                words.push(SPACE.encode_utf8(&mut [0; 4]), space);
            }
            words.push(c, origin);
        }
        words
    }

    /// Whether a decoded text begins with a space that was not in it.
    pub(super) fn adds_space_prefix(&self) -> bool {
        self.add_space_prefix
    }
}

fn read_charsmap(meta: &Metadata) -> Result<Option<Charsmap>> {
    match meta.get(CHARSMAP) {
        None => Ok(None),
        Some(Value::Array(Array::Ints(ints))) if ints.is_empty() => Ok(None),
        Some(Value::Array(Array::Ints(ints))) => {
            // Written as u8 or as i8: the low byte is the same.
            let blob: Vec<u8> = ints.iter().map(|&v| (v & 0xFF) as u8).collect();
            Charsmap::parse(&blob).map(Some)
        }
        Some(_) => bail!(CorruptFile, "{CHARSMAP} is not an array of bytes"),
    }
}
