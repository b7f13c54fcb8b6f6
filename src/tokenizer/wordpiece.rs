//! WordPiece (`tokenizer.ggml.model = bert`), on `tokenizers`' BERT parts.

use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{Model, NormalizedString, Normalizer, OffsetType, PreTokenizedString, PreTokenizer};

use super::bytes::SPACE;
use super::encoding::{Encoding, Rewritten};
use super::library_error;
use super::vocab::Vocabulary;
use crate::error::{Result, bail};
use crate::gguf::Metadata;

/// Lower-cases, cuts at white space and punctuation, and takes the longest pieces first.
#[derive(Debug)]
pub(super) struct WordPieces {
    normalizer: BertNormalizer,
    model: WordPiece,
}

impl WordPieces {
    /// # Errors
    /// `corrupt_file` if there is no unknown token.
    pub(super) fn from_gguf(meta: &Metadata, vocab: &Vocabulary) -> Result<Self> {
        let Some(unk) = vocab.special.unk else {
            bail!(CorruptFile, "a bert vocabulary needs tokenizer.ggml.unknown_token_id")
        };
        let unk_text = vocab.text(unk).to_owned();
        // GGUF marks the beginning of a word (▁), the library its continuation (##).
        let ids: Vocab = vocab
            .iter()
            .map(|(id, text, _)| {
                let spelt = match text.strip_prefix(SPACE) {
                    Some(word) => word.to_owned(),
                    None if id == unk || (text.starts_with('[') && text.ends_with(']')) => text.to_owned(),
                    None => format!("##{text}"),
                };
                (spelt, id)
            })
            .collect();
        let model = WordPiece::builder()
            .vocab(ids)
            .unk_token(unk_text)
            .build()
            .map_err(|e| library_error("the vocabulary is not usable", e))?;
        let lowercase = meta.bool("tokenizer.ggml.normalizer.lowercase").unwrap_or(true);
        let strip_accents = meta.bool("tokenizer.ggml.normalizer.strip_accents");
        Ok(Self { normalizer: BertNormalizer::new(true, true, strip_accents, lowercase), model })
    }

    /// Appends the tokens of `text`.
    ///
    /// # Errors
    /// `corrupt_file` if the library refuses the text.
    pub(super) fn encode(&self, text: &Rewritten<'_>, out: &mut Encoding) -> Result<()> {
        let refused = |e| library_error("the text cannot be encoded", e);
        let mut normalized = NormalizedString::from(&*text.text);
        self.normalizer.normalize(&mut normalized).map_err(refused)?;
        let mut words = PreTokenizedString::from(normalized);
        BertPreTokenizer.pre_tokenize(&mut words).map_err(refused)?;
        words.tokenize(|word| self.model.tokenize(word.get())).map_err(refused)?;
        let tokens = words.into_encoding(None, 0, OffsetType::Byte).map_err(refused)?;
        for (&id, &(start, end)) in tokens.get_ids().iter().zip(tokens.get_offsets()) {
            out.push(id, text.span(start..end));
        }
        Ok(())
    }
}
