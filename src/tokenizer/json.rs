//! `tokenizer.json` (and `tokenizer_config.json`) of a safetensors directory, through `tokenizers` as a whole.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::bytes::Spelling;
use super::encoding::Encoding;
use super::vocab::{Kind, Vocabulary};
use super::{charsmap, library_error};
use crate::error::{Result, bail};

/// The library's tokenizer, with its own normaliser, splitter, model and template.
#[derive(Debug)]
pub(super) struct Json {
    /// Whether special tokens in the text are parsed is a setting of the whole tokenizer, hence the lock.
    inner: Mutex<tokenizers::Tokenizer>,
}

/// What [`load`] finds.
pub(super) struct Loaded {
    pub(super) json: Json,
    pub(super) vocab: Vocabulary,
    pub(super) strips_leading_space: bool,
}

/// # Errors
/// `corrupt_file` if either file is not what its name says.
pub(super) fn load(tokenizer: &[u8], config: Option<&[u8]>) -> Result<Loaded> {
    let raw: Value = serde_json::from_slice(tokenizer)
        .map_err(|e| library_error("tokenizer.json is not JSON", e.into()))?;
    let config: Value = match config {
        None => Value::Null,
        Some(bytes) => serde_json::from_slice(bytes)
            .map_err(|e| library_error("tokenizer_config.json is not JSON", e.into()))?,
    };
    check_charsmaps(raw.get("normalizer"))?;
    let mut inner = tokenizers::Tokenizer::from_bytes(tokenizer)
        .map_err(|e| library_error("tokenizer.json cannot be read", e))?;
    // Nothing is cut off or filled up in silence: who asks decides how long a text may be.
    inner.with_truncation(None).map_err(|e| library_error("tokenizer.json cannot be read", e))?;
    inner.with_padding(None);
    // The cache of the BPE model is a thread-local that outlives it: ten loads would grow it ten times.
    let mut model = inner.get_model().clone();
    model.resize_cache(0);
    inner.with_model(model);

    let decoder = raw.get("decoder").unwrap_or(&Value::Null);
    let spelling = spelling(decoder);
    let vocab = vocabulary(&inner, spelling, &config)?;
    let strips_leading_space = match spelling {
        Spelling::Metaspace => strips_space(decoder),
        Spelling::Hashes => true,
        Spelling::ByteLevel | Spelling::Plain => false,
    };
    Ok(Loaded { json: Json { inner: Mutex::new(inner) }, vocab, strips_leading_space })
}

impl Json {
    /// Appends the tokens of `text`.
    ///
    /// # Errors
    /// `corrupt_file` if the library refuses the text.
    pub(super) fn encode(
        &self,
        text: &str,
        add_special: bool,
        parse_special: bool,
        out: &mut Encoding,
    ) -> Result<()> {
        // A panic while it was locked left a flag set at worst, and it is set again here.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.set_encode_special_tokens(!parse_special);
        let encoding =
            inner.encode(text, add_special).map_err(|e| library_error("the text cannot be encoded", e))?;
        let mut reached = 0;
        let tokens = encoding.get_ids().iter().zip(encoding.get_offsets());
        for ((&id, &(start, end)), &added) in tokens.zip(encoding.get_special_tokens_mask()) {
            // What the file's template adds is nowhere in the text.
            let span = if added == 1 && start == end { reached..reached } else { start..end };
            reached = span.end.max(reached);
            out.push(id, span);
        }
        Ok(())
    }
}

/// Any object in `value`, itself included, for which `test` holds.
fn any_object(value: &Value, test: &dyn Fn(&Value) -> bool) -> bool {
    match value {
        Value::Object(map) => test(value) || map.values().any(|v| any_object(v, test)),
        Value::Array(items) => items.iter().any(|v| any_object(v, test)),
        _ => false,
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    any_object(value, &|object| object.get("type").and_then(Value::as_str) == Some(name))
}

fn spelling(decoder: &Value) -> Spelling {
    if has_type(decoder, "ByteLevel") {
        Spelling::ByteLevel
    } else if has_type(decoder, "Metaspace")
        || has_type(decoder, "ByteFallback")
        || has_type(decoder, "Replace")
    {
        Spelling::Metaspace
    } else if has_type(decoder, "WordPiece") {
        Spelling::Hashes
    } else {
        Spelling::Plain
    }
}

fn strips_space(decoder: &Value) -> bool {
    any_object(decoder, &|object| match object.get("type").and_then(Value::as_str) {
        Some("Strip") => object.get("start").and_then(Value::as_u64).unwrap_or(0) > 0,
        Some("Metaspace") => {
            object.get("prepend_scheme").and_then(Value::as_str) != Some("never")
                && object.get("add_prefix_space").and_then(Value::as_bool) != Some(false)
        }
        _ => false,
    })
}

fn vocabulary(inner: &tokenizers::Tokenizer, spelling: Spelling, config: &Value) -> Result<Vocabulary> {
    let added = inner.get_added_tokens_decoder();
    let mut tokens: Vec<(u32, String)> =
        inner.get_vocab(true).into_iter().map(|(text, id)| (id, text)).collect();
    tokens.sort_unstable();
    let Some(&(last, _)) = tokens.last() else {
        bail!(CorruptFile, "tokenizer.json has an empty vocabulary")
    };
    // Ids may have holes, but a file of n tokens that claims id 4,000,000,000 is broken, not large.
    if last as usize > tokens.len().saturating_mul(4) + 65_536 {
        bail!(CorruptFile, "tokenizer.json has {} tokens and one with id {last}", tokens.len());
    }
    let mut vocab = Vocabulary::empty();
    for (id, text) in &tokens {
        while vocab.len() < *id as usize {
            vocab.push("", Kind::Unused, Spelling::Plain);
        }
        if vocab.len() > *id as usize {
            continue; // two texts with one id: the first in order counts
        }
        let kind = match added.get(id) {
            Some(token) if token.special => Kind::Control,
            Some(_) => Kind::UserDefined,
            None if spelling == Spelling::Metaspace && super::bytes::parse_byte_token(text).is_some() => {
                Kind::Byte
            }
            None => Kind::Normal,
        };
        vocab.push(text, kind, spelling);
    }
    let find = |key: &str| {
        let entry = config.get(key)?;
        let text = entry.as_str().or_else(|| entry.get("content")?.as_str())?;
        inner.token_to_id(text)
    };
    vocab.special.bos = find("bos_token");
    vocab.special.eos = find("eos_token");
    vocab.special.unk = find("unk_token");
    vocab.special.pad = find("pad_token");
    vocab.special.sep = find("sep_token");
    vocab.special.mask = find("mask_token");
    vocab.finish();
    Ok(vocab)
}

/// The library reads a precompiled character map unchecked; a broken one would panic at the first text.
fn check_charsmaps(normalizer: Option<&Value>) -> Result<()> {
    let Some(normalizer) = normalizer else { return Ok(()) };
    let broken = any_object(normalizer, &|object| {
        object
            .get("precompiled_charsmap")
            .and_then(Value::as_str)
            .is_some_and(|map| !charsmap::base64_is_sound(map))
    });
    if broken {
        bail!(CorruptFile, "tokenizer.json has a broken precompiled_charsmap");
    }
    Ok(())
}
