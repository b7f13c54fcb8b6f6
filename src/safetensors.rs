//! A model as a directory of files, the way Hugging Face lays it out: `config.json`, `tokenizer.json`, one or several
//! `.safetensors`, and what else lies beside them.
//!
//! The directory becomes the same table that a GGUF file has: configuration under GGUF's keys, tensors under GGUF's
//! names. So everything behind the container is one path. Files are told apart by their content: whoever hands them
//! over need not know their names, nor their order.
//!
//! Format: <https://github.com/huggingface/safetensors#format>
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod config;
mod encoder;
mod header;
mod names;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::{Error, ErrorKind, Result, bail};
use crate::gguf::{Gguf, Metadata, Value};
use crate::source::Source;
use header::read_tensors;

/// The largest JSON file that is read: vocabularies of 262 k tokens take 35 MB.
const MAX_TEXT: u64 = 128 << 20;

/// A directory, read but for its weights.
pub struct Directory {
    /// Configuration and tensors, as a GGUF file would have them; `part` of a tensor is the index of its file.
    pub table: Gguf,
    /// `tokenizer.json`
    pub tokenizer: Vec<u8>,
    /// `tokenizer_config.json`
    pub tokenizer_config: Option<Vec<u8>>,
}

/// What a file is, by its content.
enum Kind {
    Weights,
    Config(Vec<u8>),
    Tokenizer(Vec<u8>),
    TokenizerConfig(Vec<u8>),
    Index(Vec<u8>),
    ChatTemplate(String),
    /// How sentence-transformers makes one vector of many.
    Pooling(Vec<u8>),
    /// Beside the point: generation settings, licences, the vocabulary once more.
    Other,
}

/// Keys at the top of a JSON file that tell what it is.
#[derive(Deserialize)]
struct Probe {
    model_type: Option<IgnoredAny>,
    model: Option<IgnoredAny>,
    tokenizer_class: Option<IgnoredAny>,
    added_tokens_decoder: Option<IgnoredAny>,
    weight_map: Option<IgnoredAny>,
    pooling_mode_mean_tokens: Option<IgnoredAny>,
}

/// `model.safetensors.index.json`
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The part of `tokenizer_config.json` that is not the tokenizer's.
#[derive(Deserialize)]
struct TemplateConfig {
    chat_template: Option<Templates>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

impl Directory {
    /// Whether `parts` are a directory and not a GGUF file or its splits.
    ///
    /// # Errors
    /// What the source fails with.
    pub async fn is_one(parts: &[Box<dyn Source>]) -> Result<bool> {
        // A directory has at least three files: a single one is not worth a read.
        let [first, _, ..] = parts else { return Ok(false) };
        Ok(!b"GGUF".starts_with(&first.read(0, first.len().map_or(4, |len| len.min(4))).await?))
    }

    /// Reads everything but the weights.
    ///
    /// # Errors
    /// `invalid_request` naming a file that is missing; `corrupt_file`, `truncated_file`; `unsupported_architecture`
    /// naming what `config.json` asks for or a tensor that nothing here uses; `unsupported_quantization`; what the
    /// source fails with.
    pub async fn read(parts: &[Box<dyn Source>]) -> Result<Self> {
        let (mut config, mut tokenizer, mut tokenizer_config, mut index, mut template, mut pooling) =
            (None, None, None, None, None, None);
        let mut weights = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            match kind(part.as_ref(), number).await? {
                Kind::Weights => weights.push((number, part.as_ref())),
                Kind::Config(bytes) => config = Some(bytes),
                Kind::Tokenizer(bytes) => tokenizer = Some(bytes),
                Kind::TokenizerConfig(bytes) => tokenizer_config = Some(bytes),
                Kind::Index(bytes) => index = Some(bytes),
                Kind::ChatTemplate(text) => template = Some(text),
                Kind::Pooling(bytes) => pooling = Some(bytes),
                Kind::Other => {}
            }
        }
        let (config, tokenizer) = (required(config, "config.json")?, required(tokenizer, "tokenizer.json")?);
        if weights.is_empty() {
            return Err(missing("a .safetensors file"));
        }
        let (mut metadata, ties_output) = match encoder::metadata(&config, pooling.as_deref())? {
            Some(metadata) => (metadata, None),
            None => {
                let config = config::Config::parse(&config)?;
                (config.metadata()?, Some(config.ties_output()))
            }
        };
        let template = template.or(match &tokenizer_config {
            Some(bytes) => template_in(bytes)?,
            None => None,
        });
        if let Some(template) = template {
            metadata.insert("tokenizer.chat_template".into(), Value::Str(template));
        }
        let table = table(metadata, parts, &weights, index.as_deref(), ties_output).await?;
        Ok(Self { table, tokenizer, tokenizer_config })
    }
}

fn required(file: Option<Vec<u8>>, name: &str) -> Result<Vec<u8>> {
    file.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        format!("a model of several files that is no split GGUF needs {name}, and none of them is it"),
    )
    .with_hint(
        "Give config.json, tokenizer.json, tokenizer_config.json and every .safetensors file of the model.",
    )
}

async fn kind(part: &dyn Source, number: usize) -> Result<Kind> {
    let up_to = |most: u64| part.len().map_or(most, |len| len.min(most));
    let head = part.read(0, up_to(9)).await?;
    if header::length(&head, part.len()).is_some() {
        return Ok(Kind::Weights);
    }
    if part.len().is_some_and(|len| len > MAX_TEXT) {
        bail!(InvalidRequest, "file {number} of the model is neither JSON nor safetensors");
    }
    let bytes = part.read(0, up_to(MAX_TEXT)).await?;
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        let Ok(text) = String::from_utf8(bytes) else {
            bail!(InvalidRequest, "file {number} of the model is neither JSON nor safetensors");
        };
        let start = text.trim_start().get(..9).unwrap_or_default().to_lowercase();
        if start.starts_with("<!doctype") || start.starts_with("<html") {
            return Err(Error::new(ErrorKind::NotGguf, format!("file {number} of the model is a web page"))
                .with_hint("The URL probably leads to a page about the file, or to a login or error page: use the direct link."));
        }
        let is_template = text.contains("{%") || text.contains("{{");
        return Ok(if is_template { Kind::ChatTemplate(text) } else { Kind::Other });
    }
    // A template may begin with a brace as well.
    if bytes.starts_with(b"{%") || bytes.starts_with(b"{{") || bytes.starts_with(b"{#") {
        return Ok(Kind::ChatTemplate(String::from_utf8_lossy(&bytes).into_owned()));
    }
    let probe: Probe = json(&bytes, &format!("file {number} of the model"))?;
    Ok(match probe {
        Probe { weight_map: Some(_), .. } => Kind::Index(bytes),
        Probe { model_type: Some(_), .. } => Kind::Config(bytes),
        Probe { tokenizer_class: Some(_), .. } | Probe { added_tokens_decoder: Some(_), .. } => {
            Kind::TokenizerConfig(bytes)
        }
        Probe { model: Some(_), .. } => Kind::Tokenizer(bytes),
        Probe { pooling_mode_mean_tokens: Some(_), .. } => Kind::Pooling(bytes),
        _ => Kind::Other,
    })
}

fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::new(ErrorKind::CorruptFile, format!("{what} cannot be read: {error}")))
}

/// The template in `tokenizer_config.json`: the only one, or that called `default`.
fn template_in(config: &[u8]) -> Result<Option<String>> {
    let config: TemplateConfig = json(config, "tokenizer_config.json")?;
    Ok(config.chat_template.and_then(|templates| match templates {
        Templates::One(template) => Some(template),
        Templates::Named(named) => {
            named.into_iter().find(|named| named.name == "default").map(|named| named.template)
        }
    }))
}

/// All tensors of all files, under GGUF's names.
async fn table(
    metadata: Metadata,
    parts: &[Box<dyn Source>],
    weights: &[(usize, &dyn Source)],
    index: Option<&[u8]>,
    ties_output: Option<bool>,
) -> Result<Gguf> {
    let mut files = Vec::new();
    for (number, part) in weights {
        files.push((*number, part.len(), read_tensors(*part).await?));
    }
    if let Some(index) = index {
        let index: Index = json(index, "model.safetensors.index.json")?;
        let has = |name: &String| {
            files.iter().any(|(.., tensors)| tensors.iter().any(|tensor| tensor.name == *name))
        };
        if let Some((tensor, file)) = index.weight_map.iter().find(|(tensor, _)| !has(tensor)) {
            bail!(InvalidRequest, "tensor {tensor} lies in {file}, which is not among the files given");
        }
    }
    names::rename(&mut files, ties_output)?;
    let total_bytes = parts.iter().filter_map(|part| part.len()).sum();
    Gguf::of_tables(metadata, files, total_bytes)
}
