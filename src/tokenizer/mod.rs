//! Text to ids and back, by the vocabulary that came with the model.
//!
//! The vocabulary is a table (`vocab`); `tokenizers` does the merging and segmenting behind one file per kind
//! (`bpe`, `wordpiece`, `unigram`, `json`); SentencePiece's merge by score is ours (`spm`), for the library has
//! none. Special tokens are cut out of the text first (`special`).
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bpe;
mod bytes;
mod charsmap;
mod detokenizer;
mod encoding;
mod json;
mod pre;
mod special;
mod spm;
mod strings;
mod unigram;
mod vocab;
mod wordpiece;

pub use detokenizer::Detokenizer;
pub use encoding::Encoding;
pub use vocab::SpecialIds;

use bytes::Spelling;
use encoding::Rewritten;
use special::{Fragment, Specials};
use vocab::{Kind, Vocabulary};

use crate::error::{Error, ErrorKind, Result, bail};
use crate::gguf::Metadata;

/// How to encode a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Put the BOS and EOS tokens around the text, as the model wants them.
    pub add_special: bool,
    /// Read `<|im_end|>` and its like in the text as the tokens they name. Off for text that a user wrote.
    pub parse_special: bool,
}

/// A model's vocabulary and the rules that go with it.
#[derive(Debug)]
pub struct Tokenizer {
    vocab: Vocabulary,
    algorithm: Algorithm,
    specials: Specials,
    /// Ids before and after a text, for `add_special`.
    prefix: Option<u32>,
    suffix: Option<u32>,
    strips_leading_space: bool,
    adds_space_prefix: bool,
    warnings: Vec<String>,
}

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a model has one")]
enum Algorithm {
    Bpe(bpe::Bpe),
    Spm(spm::Spm),
    WordPiece(wordpiece::WordPieces),
    Unigram(unigram::UnigramLm),
    Json(json::Json),
}

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";

impl Tokenizer {
    /// Builds the tokenizer that a GGUF file describes.
    ///
    /// # Errors
    /// `corrupt_file` naming the key that is missing or contradicts another; `unsupported_architecture` for a
    /// `tokenizer.ggml.model` or `tokenizer.ggml.pre` that is not known.
    pub fn from_gguf(meta: &Metadata) -> Result<Self> {
        match meta.str(MODEL) {
            Some("gpt2" | "gemma4") => Self::bpe(meta),
            Some("llama") => Self::spm(meta),
            Some("bert") => Self::wordpiece(meta),
            Some("t5") => Self::unigram(meta),
            Some(other) => bail!(
                UnsupportedArchitecture,
                "{MODEL} is {other:?}; gpt2, gemma4, llama, bert and t5 are supported"
            ),
            None => bail!(CorruptFile, "the vocabulary is missing: there is no {MODEL}"),
        }
    }

    /// Reads a `tokenizer.json`, and the `tokenizer_config.json` beside it, which names the special tokens.
    ///
    /// # Errors
    /// `corrupt_file` if either cannot be read.
    pub fn from_json(tokenizer: &[u8], config: Option<&[u8]>) -> Result<Self> {
        let json::Loaded { json, vocab, strips_leading_space } = json::load(tokenizer, config)?;
        Ok(Self {
            vocab,
            algorithm: Algorithm::Json(json),
            specials: Specials::default(),
            prefix: None, // the file's own template puts them in
            suffix: None,
            strips_leading_space,
            adds_space_prefix: strips_leading_space,
            warnings: Vec::new(),
        })
    }

    fn bpe(meta: &Metadata) -> Result<Self> {
        let mut warnings = Vec::new();
        let name = match (meta.str(MODEL), meta.str(PRE)) {
            (Some("gemma4"), _) => "gemma4",
            (_, Some(name)) if !name.is_empty() => name,
            _ => {
                warnings
                    .push(format!("{PRE} is missing: words are cut by a default rule, answers may be worse"));
                "default"
            }
        };
        let Some(rules) = pre::find(name) else {
            return Err(Error::new(
                ErrorKind::UnsupportedArchitecture,
                format!("{PRE} is {name:?}, a pre-tokenizer that is not known"),
            )
            .with_hint(
                "The model splits text in a way that this version cannot reproduce; a newer one may.",
            ));
        };
        let spelling = if rules.metaspace { Spelling::Metaspace } else { Spelling::ByteLevel };
        let vocab = Vocabulary::from_gguf(meta, spelling, SpecialIds::default())?;
        let algorithm = Algorithm::Bpe(bpe::Bpe::from_gguf(meta, &vocab, rules)?);
        let mut tokenizer = Self::new(meta, vocab, algorithm, (rules.add_bos, false))?;
        tokenizer.warnings = warnings;
        Ok(tokenizer)
    }

    fn spm(meta: &Metadata) -> Result<Self> {
        let defaults = SpecialIds { bos: Some(1), eos: Some(2), unk: Some(0), ..SpecialIds::default() };
        let vocab = Vocabulary::from_gguf(meta, Spelling::Metaspace, defaults)?;
        let spm = spm::Spm::from_gguf(meta, &vocab)?;
        let prefixed = spm.add_space_prefix;
        let mut tokenizer = Self::new(meta, vocab, Algorithm::Spm(spm), (true, false))?;
        (tokenizer.strips_leading_space, tokenizer.adds_space_prefix) = (prefixed, prefixed);
        Ok(tokenizer)
    }

    fn wordpiece(meta: &Metadata) -> Result<Self> {
        let defaults = SpecialIds {
            bos: Some(101),
            unk: Some(100),
            sep: Some(102),
            pad: Some(0),
            mask: Some(103),
            ..SpecialIds::default()
        };
        let vocab = Vocabulary::from_gguf(meta, Spelling::Metaspace, defaults)?;
        let algorithm = Algorithm::WordPiece(wordpiece::WordPieces::from_gguf(meta, &vocab)?);
        let (bos, sep) = (vocab.special.bos, vocab.special.sep);
        let mut tokenizer = Self::new(meta, vocab, algorithm, (false, false))?;
        (tokenizer.prefix, tokenizer.suffix) = (bos, sep);
        tokenizer.strips_leading_space = true;
        Ok(tokenizer)
    }

    fn unigram(meta: &Metadata) -> Result<Self> {
        let defaults = SpecialIds { eos: Some(1), unk: Some(2), pad: Some(0), ..SpecialIds::default() };
        let vocab = Vocabulary::from_gguf(meta, Spelling::Metaspace, defaults)?;
        let unigram = unigram::UnigramLm::from_gguf(meta, &vocab)?;
        let prefixed = unigram.adds_space_prefix();
        let mut tokenizer = Self::new(meta, vocab, Algorithm::Unigram(unigram), (false, true))?;
        (tokenizer.strips_leading_space, tokenizer.adds_space_prefix) = (prefixed, prefixed);
        Ok(tokenizer)
    }

    fn new(meta: &Metadata, vocab: Vocabulary, algorithm: Algorithm, add: (bool, bool)) -> Result<Self> {
        let add_token = |key: &str, id_key: &str, id: Option<u32>, default: bool| match (meta.bool(key), id) {
            (Some(true), None) => bail!(CorruptFile, "{key} is true, but {id_key} names no token"),
            (asked, id) => Ok(id.filter(|_| asked.unwrap_or(default))),
        };
        let (bos, eos) = (vocab.special.bos, vocab.special.eos);
        let prefix = add_token("tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", bos, add.0)?;
        let suffix = add_token("tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", eos, add.1)?;
        let name = meta.str("general.name").unwrap_or("").to_lowercase();
        let specials = Specials::new(&vocab, name.contains("phi-3") || name.contains("phi3"));
        Ok(Self {
            vocab,
            algorithm,
            specials,
            prefix,
            suffix,
            strips_leading_space: false,
            adds_space_prefix: false,
            warnings: Vec::new(),
        })
    }

    /// The ids of `text`.
    ///
    /// # Errors
    /// `corrupt_file` if the vocabulary turns out to be unusable for this text.
    pub fn encode(&self, text: &str, options: EncodeOptions) -> Result<Vec<u32>> {
        Ok(self.encode_with_spans(text, options)?.ids)
    }

    /// The ids of `text`, and where in it each is.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_with_spans(&self, text: &str, options: EncodeOptions) -> Result<Encoding> {
        let mut tokens = Encoding::default();
        if let Algorithm::Json(json) = &self.algorithm {
            json.encode(text, options.add_special, options.parse_special, &mut tokens)?;
            tokens.round(text);
            return Ok(tokens);
        }
        if let Some(prefix) = self.prefix.filter(|_| options.add_special) {
            tokens.push(prefix, 0..0);
        }
        let mut after_special = true;
        for fragment in self.specials.split(text, options.parse_special) {
            match fragment {
                Fragment::Token { id, span } => {
                    tokens.push(id, span);
                    after_special = true;
                }
                Fragment::Text { text, start } => {
                    let text = Rewritten::unchanged(text, start);
                    match &self.algorithm {
                        Algorithm::Bpe(bpe) => bpe.encode(text, &mut tokens)?,
                        Algorithm::Spm(spm) => spm.encode(&text, after_special, &mut tokens),
                        Algorithm::WordPiece(wordpiece) => wordpiece.encode(&text, &mut tokens)?,
                        Algorithm::Unigram(unigram) => unigram.encode(&text, &mut tokens)?,
                        Algorithm::Json(_) => {} // returned above
                    }
                    after_special = false;
                }
            }
        }
        if let Some(suffix) = self.suffix.filter(|_| options.add_special) {
            tokens.push(suffix, text.len()..text.len());
        }
        tokens.round(text);
        Ok(tokens)
    }

    /// The ids of `text` where it follows other text: no space is put before it, and no special token is read in it.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_continuing(&self, text: &str) -> Result<Vec<u32>> {
        match &self.algorithm {
            Algorithm::Spm(spm) => {
                let mut tokens = Encoding::default();
                spm.encode(&Rewritten::unchanged(text, 0), false, &mut tokens);
                Ok(tokens.ids)
            }
            _ => self.encode(text, EncodeOptions::default()),
        }
    }

    /// The text of `ids`, as of a text's beginning. Bytes that form no character are U+FFFD; ids outside the
    /// vocabulary add nothing. `skip_special` leaves out control tokens.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        let mut stream = Detokenizer::at_start(self, skip_special);
        let mut text: String = ids.iter().map(|&id| stream.push(id)).collect();
        text.push_str(&stream.finish());
        text
    }

    /// The bytes that `id` adds to a text; empty outside the vocabulary. Not always whole characters.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.vocab.bytes(id)
    }

    /// The token as the vocabulary spells it; empty outside the vocabulary.
    pub fn token_text(&self, id: u32) -> &str {
        self.vocab.text(id)
    }

    /// The id of the token that the vocabulary spells `text`. Walks the vocabulary: for set-up, not for loops.
    pub fn token_id(&self, text: &str) -> Option<u32> {
        self.vocab.iter().find(|&(_, spelt, _)| spelt == text).map(|(id, ..)| id)
    }

    /// Whether `id` steers the model and is no text.
    pub fn is_control(&self, id: u32) -> bool {
        self.vocab.kind(id) == Some(Kind::Control)
    }

    /// Whether `id` is a piece of text: not a control token, a placeholder, the unknown token or a marker in
    /// brackets such as `<tool_call>`, and no end of a generation.
    pub fn is_plain_text(&self, id: u32) -> bool {
        match self.vocab.kind(id) {
            _ if self.is_eog(id) => false,
            Some(Kind::Normal | Kind::Byte) => true,
            Some(Kind::UserDefined) => {
                let text = self.token_text(id);
                !(text.starts_with('<') && text.ends_with('>')
                    || text.starts_with('[') && text.ends_with(']'))
            }
            Some(Kind::Control | Kind::Unknown | Kind::Unused) | None => false,
        }
    }

    /// Whether a generation ends with `id`.
    pub fn is_eog(&self, id: u32) -> bool {
        self.vocab.eog.binary_search(&id).is_ok()
    }

    /// All ids that end a generation, ascending.
    pub fn eog(&self) -> &[u32] {
        &self.vocab.eog
    }

    /// Number of ids.
    pub fn vocab_size(&self) -> usize {
        self.vocab.len()
    }

    /// Ids with a meaning of their own.
    pub fn special(&self) -> SpecialIds {
        self.vocab.special
    }

    /// The id that begins a text.
    pub fn bos(&self) -> Option<u32> {
        self.vocab.special.bos
    }

    /// The id that ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.vocab.special.eos
    }

    /// Whether `add_special` puts a BOS token before a text. A prompt from a chat template that wrote one itself
    /// must be encoded without.
    pub fn adds_bos(&self) -> bool {
        self.prefix.is_some()
    }

    /// Whether encoding puts a space before a text that is not in it.
    pub fn adds_space_prefix(&self) -> bool {
        self.adds_space_prefix
    }

    /// What a person should know about this vocabulary.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn strips_leading_space(&self) -> bool {
        self.strips_leading_space
    }

    fn is_skipped(&self, id: u32) -> bool {
        matches!(self.vocab.kind(id), Some(Kind::Control | Kind::Unknown))
    }
}

/// `tokenizer.ggml.scores`, if there are any.
fn scores(meta: &Metadata, len: usize) -> Result<Option<Vec<f64>>> {
    const SCORES: &str = "tokenizer.ggml.scores";
    let scores = match (meta.floats(SCORES), meta.ints(SCORES)) {
        (Some(floats), _) => floats.to_vec(),
        #[allow(clippy::cast_precision_loss, reason = "scores are small")]
        (_, Some(ints)) => ints.iter().map(|&v| v as f64).collect(),
        (None, None) if meta.get(SCORES).is_some() => {
            bail!(CorruptFile, "{SCORES} is not an array of numbers")
        }
        (None, None) => return Ok(None),
    };
    if scores.len() < len {
        bail!(CorruptFile, "{SCORES} has {} entries for {len} tokens", scores.len());
    }
    Ok(Some(scores))
}

/// An error of the `tokenizers` crate as ours.
fn library_error(what: &str, error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::new(ErrorKind::CorruptFile, format!("{what}: {error}"))
}
