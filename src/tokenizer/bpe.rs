//! Byte-pair encoding by ranked merges (`tokenizer.ggml.model = gpt2`), on `tokenizers`' BPE.

use std::borrow::Cow;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::utils::SysRegex;
use tokenizers::{Model, NormalizedString, Normalizer};

use super::bytes::{SPACE, encode_byte_level};
use super::library_error;
use super::pre::PreTokenizer;
use super::vocab::Vocabulary;
use crate::error::{Result, bail};
use crate::gguf::Metadata;

const MERGES: &str = "tokenizer.ggml.merges";

/// Cuts a text into words and merges the characters of each.
#[derive(Debug)]
pub(super) struct Bpe {
    rules: &'static PreTokenizer,
    patterns: Vec<SysRegex>,
    model: BPE,
}

impl Bpe {
    /// # Errors
    /// `corrupt_file` if `tokenizer.ggml.merges` is missing or not a list of pairs.
    pub(super) fn from_gguf(
        meta: &Metadata,
        vocab: &Vocabulary,
        rules: &'static PreTokenizer,
    ) -> Result<Self> {
        let Some(lines) = meta.strs(MERGES) else {
            bail!(CorruptFile, "a gpt2 vocabulary needs {MERGES}, an array of strings, which is missing")
        };
        let ids: Vocab = vocab
            .iter()
            .filter(|(_, text, _)| !text.is_empty())
            .map(|(id, text, _)| (text.to_owned(), id))
            .collect();
        let mut merges = Vec::with_capacity(lines.len());
        let mut joined = String::new();
        for (rank, line) in lines.iter().enumerate() {
            // A token may itself begin with a space where spaces are not escaped.
            let Some(cut) = line.char_indices().skip(1).find(|&(_, c)| c == ' ').map(|(at, _)| at) else {
                bail!(CorruptFile, "{MERGES}[{rank}] is {line:?}, not two tokens with a space between them")
            };
            let (left, right) = (line.get(..cut).unwrap_or(""), line.get(cut + 1..).unwrap_or(""));
            joined.clear();
            joined.extend([left, right]);
            // A merge of tokens that are not there can never apply, and the library refuses it.
            if ids.contains_key(left) && ids.contains_key(right) && ids.contains_key(joined.as_str()) {
                merges.push((left.to_owned(), right.to_owned()));
            }
        }
        if merges.is_empty() && !lines.is_empty() {
            bail!(CorruptFile, "no merge in {MERGES} is of tokens in tokenizer.ggml.tokens");
        }
        let model = BPE::builder()
            .vocab_and_merges(ids, merges)
            .ignore_merges(rules.ignore_merges)
            .byte_fallback(rules.metaspace)
            // The library's cache is a thread-local that outlives the model: ten loads would grow it ten times.
            .cache_capacity(0)
            .build()
            .map_err(|e| library_error("the vocabulary is not usable", e))?;
        let patterns = rules
            .patterns
            .iter()
            .map(|pattern| SysRegex::new(pattern))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| library_error("a pre-tokenizer does not compile", e))?;
        Ok(Self { rules, patterns, model })
    }

    /// Appends the ids of `text`.
    ///
    /// # Errors
    /// `corrupt_file` if the library refuses a word.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let text = self.normalize(text)?;
        let mut word = String::new();
        for piece in self.words(&text) {
            word.clear();
            if self.rules.metaspace {
                word.push_str(piece);
            } else {
                encode_byte_level(piece, &mut word);
            }
            let whole_line = self.rules.metaspace && word.bytes().all(|b| b == b'\n');
            if let Some(id) = whole_line.then(|| self.model.token_to_id(&word)).flatten() {
                ids.push(id); // Gemma 4 has runs of newlines as tokens that no merge leads to
                continue;
            }
            let tokens =
                self.model.tokenize(&word).map_err(|e| library_error("a word cannot be encoded", e))?;
            ids.extend(tokens.iter().map(|token| token.id));
        }
        Ok(())
    }

    fn normalize<'t>(&self, text: &'t str) -> Result<Cow<'t, str>> {
        if self.rules.metaspace {
            return Ok(Cow::Owned(text.replace(' ', SPACE.encode_utf8(&mut [0; 4]))));
        }
        if !self.rules.nfc || text.is_ascii() {
            return Ok(Cow::Borrowed(text));
        }
        let mut normalized = NormalizedString::from(text);
        NFC.normalize(&mut normalized).map_err(|e| library_error("the text cannot be normalised", e))?;
        Ok(Cow::Owned(normalized.get().to_owned()))
    }

    fn words<'t>(&self, text: &'t str) -> Vec<&'t str> {
        self.patterns.iter().fold(vec![text], |pieces, pattern| {
            let mut cut = Vec::with_capacity(pieces.len() * 2);
            for piece in pieces {
                let mut from = 0;
                for (start, end) in pattern.find_iter(piece) {
                    cut.extend(piece.get(from..start).filter(|p| !p.is_empty()));
                    cut.extend(piece.get(start..end).filter(|p| !p.is_empty()));
                    from = end;
                }
                // Also where the expression gave up (its engine bounds backtracking): nothing is lost.
                cut.extend(piece.get(from..).filter(|p| !p.is_empty()));
            }
            cut
        })
    }
}
