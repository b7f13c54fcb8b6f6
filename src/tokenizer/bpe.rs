//! Byte-pair encoding by ranked merges (`tokenizer.ggml.model = gpt2`), on `tokenizers`' BPE.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::tokenizer::normalizer::Range;
use tokenizers::utils::SysRegex;
use tokenizers::{Model, NormalizedString, Normalizer};

use super::bytes::encode_byte_level;
use super::encoding::{Encoding, Rewritten, spaces_as_signs};
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

    /// Appends the tokens of `text`.
    ///
    /// # Errors
    /// `corrupt_file` if the library refuses a word.
    pub(super) fn encode(&self, text: Rewritten<'_>, out: &mut Encoding) -> Result<()> {
        let text = self.normalize(text)?;
        let mut word = String::new();
        // Words are all of the text, one after the other.
        let mut next = 0;
        for piece in self.words(&text.text) {
            let start = next;
            next += piece.len();
            word.clear();
            if self.rules.metaspace {
                word.push_str(piece);
            } else {
                encode_byte_level(piece, &mut word);
            }
            let whole_line = self.rules.metaspace && word.bytes().all(|b| b == b'\n');
            if let Some(id) = whole_line.then(|| self.model.token_to_id(&word)).flatten() {
                out.push(id, text.span(start..next)); // Gemma 4 has runs of newlines as tokens that no merge leads to
                continue;
            }
            let tokens =
                self.model.tokenize(&word).map_err(|e| library_error("a word cannot be encoded", e))?;
            // Where the next token begins, in `word` and in `piece`.
            let (mut at, mut byte) = (0, start);
            let bytes = |spelt: Option<&str>| match spelt {
                Some(spelt) if !self.rules.metaspace => spelt.chars().count(),
                spelt => spelt.map_or(0, str::len),
            };
            for token in &tokens {
                let len = token.offsets.1 - token.offsets.0;
                // Characters that the vocabulary lacks are left out, and not counted by the library.
                let rest = word.get(at..).filter(|_| token.value.len() == len);
                let from = at + rest.and_then(|rest| rest.find(&token.value)).unwrap_or(0);
                let first = byte + bytes(word.get(at..from));
                at = from + len;
                byte = first + bytes(word.get(from..at).or(token.value.get(..len)));
                out.push(token.id, text.span(first..byte));
            }
        }
        Ok(())
    }

    fn normalize<'t>(&self, text: Rewritten<'t>) -> Result<Rewritten<'t>> {
        if self.rules.metaspace {
            return Ok(spaces_as_signs(&text, false));
        }
        if !self.rules.nfc || text.text.is_ascii() {
            return Ok(text);
        }
        let mut normalized = NormalizedString::from(&*text.text);
        NFC.normalize(&mut normalized).map_err(|e| library_error("the text cannot be normalised", e))?;
        let mut composed = Rewritten::empty(normalized.len());
        for (at, c) in normalized.get().char_indices() {
            let range = normalized.convert_offsets(Range::Normalized(at..at + c.len_utf8()));
            composed.push(c.encode_utf8(&mut [0; 4]), text.span(range.unwrap_or_default()));
        }
        Ok(composed)
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
