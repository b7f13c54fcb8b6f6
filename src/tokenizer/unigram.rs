//! Unigram language model (`tokenizer.ggml.model = t5`), on `tokenizers`' Unigram.

use tokenizers::Model;
use tokenizers::models::unigram::Unigram;

use super::bytes::SPACE;
use super::charsmap::Charsmap;
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

    /// Appends the ids of `text`.
    ///
    /// # Errors
    /// `corrupt_file` if the library refuses the text.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let normalized = self.normalize(text);
        if normalized.is_empty() {
            return Ok(());
        }
        let tokens =
            self.model.tokenize(&normalized).map_err(|e| library_error("the text cannot be encoded", e))?;
        ids.extend(tokens.iter().map(|token| token.id));
        Ok(())
    }

    fn normalize(&self, text: &str) -> String {
        let text = self.charsmap.as_ref().map_or_else(|| text.to_owned(), |map| map.normalize(text));
        let mut out = String::with_capacity(text.len() + 3);
        if self.remove_extra_whitespaces {
            for word in text.split(' ').filter(|word| !word.is_empty()) {
                if self.add_space_prefix || !out.is_empty() {
                    out.push(SPACE);
                }
                out.push_str(word);
            }
            return out;
        }
        if self.add_space_prefix && !text.is_empty() {
            out.push(SPACE);
        }
        out.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
        out
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
