//! What a caller asks for, read from JSON exactly as it was written: unknown fields, wrong types and values out
//! of range are errors that name the field.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod response_format;

pub use response_format::{Demand, ResponseFormat};

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, bail};
use crate::sampler::Sampling;
use crate::weights::Target;

/// More stop strings than anybody needs.
const MAX_STOPS: usize = 64;
/// More answers to one prompt than anybody needs.
const MAX_CHOICES: usize = 128;

/// As many as OpenAI's API tells.
const MAX_LOGPROBS: usize = 20;

/// Options of loading a model.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct LoadOptions {
    /// `auto`, `webgpu` or `cpu`.
    pub backend: Option<BackendChoice>,
    /// Whether the CPU goes on where a lost GPU does not come back.
    pub fallback: Option<bool>,
    /// `auto`, `simd` or `relaxed`.
    pub build: Option<BuildChoice>,
    /// Tokens that a sequence can hold.
    pub context_length: Option<usize>,
    /// CPU threads.
    pub threads: Option<usize>,
    /// Tokens that the GPU begins with before the one before them is known.
    pub tokens_in_flight: Option<usize>,
    /// `opfs` or `none`.
    pub cache: Option<CacheChoice>,
    /// The file's SHA-256, in hexadecimal.
    pub sha256: Option<String>,
    /// Brings weights that the files hold as F32, F16 or BF16 into this format.
    pub quantize: Option<QuantizeChoice>,
    /// What was not used for longest may be deleted from the cache to make room.
    pub evict: Option<bool>,
    /// A token for the hub.
    pub token: Option<String>,
    /// The hub's URL.
    pub hub: Option<String>,
}

/// Which engine is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the option's own words")]
pub enum BackendChoice {
    Auto,
    Webgpu,
    Cpu,
}

/// Which wasm build is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the option's own words")]
pub enum BuildChoice {
    Auto,
    Simd,
    Relaxed,
}

/// What plain weights become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the option's own words")]
pub enum QuantizeChoice {
    Q8_0,
    Q4_0,
}

impl From<QuantizeChoice> for Target {
    fn from(choice: QuantizeChoice) -> Self {
        match choice {
            QuantizeChoice::Q8_0 => Target::Q8_0,
            QuantizeChoice::Q4_0 => Target::Q4_0,
        }
    }
}

/// Where downloads are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the option's own words")]
pub enum CacheChoice {
    Opfs,
    None,
}

/// A request to generate.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there is one for each call")]
pub enum Request {
    /// Messages in, message out.
    Chat(ChatParams),
    /// Text in, its continuation out.
    Completion(CompletionParams),
}

/// Declares a set of parameters: its own fields and those that every kind of request shares. (serde's `flatten`
/// would do it, but then unknown fields are no longer refused.)
macro_rules! params {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(missing_docs, reason = "the API's own names, documented in pkg/src/types")]
        pub struct $name {
            $(pub $field: $type,)*
            pub model: Option<String>,
            pub max_tokens: Option<usize>,
            pub temperature: Option<f32>,
            pub top_p: Option<f32>,
            pub top_k: Option<usize>,
            pub min_p: Option<f32>,
            pub repetition_penalty: Option<f32>,
            pub presence_penalty: Option<f32>,
            pub frequency_penalty: Option<f32>,
            pub logit_bias: Option<BTreeMap<String, f32>>,
            pub seed: Option<i64>,
            pub stop: Option<OneOrMany<String>>,
            pub n: Option<usize>,
            pub ignore_eos: Option<bool>,
            pub return_token_ids: Option<bool>,
            pub response_format: Option<ResponseFormat>,
        }

        impl $name {
            /// The shared parameters, checked.
            fn common(&self, max_tokens: Option<usize>, vocab: usize) -> Result<Common> {
                if max_tokens == Some(0) {
                    bail!(InvalidRequest, "max_tokens is 0; at least 1 is needed");
                }
                let sampling = Sampling {
                    temperature: within("temperature", self.temperature, 1.0, 0.0, 100.0)?,
                    top_k: self.top_k.unwrap_or(0),
                    top_p: within("top_p", self.top_p, 1.0, 0.0, 1.0)?,
                    min_p: within("min_p", self.min_p, 0.0, 0.0, 1.0)?,
                    repetition_penalty: within("repetition_penalty", self.repetition_penalty, 1.0, 0.01, 100.0)?,
                    presence_penalty: within("presence_penalty", self.presence_penalty, 0.0, -2.0, 2.0)?,
                    frequency_penalty: within("frequency_penalty", self.frequency_penalty, 0.0, -2.0, 2.0)?,
                    logit_bias: logit_bias(self.logit_bias.as_ref(), vocab)?,
                    seed: self.seed.map_or_else(random_seed, i64::cast_unsigned),
                };
                let choices = choices(self.n)?;
                let ignore_eos = self.ignore_eos.unwrap_or(false);
                let stop = stops(self.stop.as_ref())?;
                let constraint = self.response_format.as_ref().map(ResponseFormat::constraint).transpose()?;
                let constraint = constraint.flatten();
                Ok(Common { sampling, max_tokens, stop, choices, ignore_eos, constraint, top_logprobs: None })
            }
        }
    };
}

params! {
    /// Parameters of a chat completion, as in OpenAI's API.
    ChatParams {
        messages: Value,
        tools: Option<Value>,
        tool_choice: Option<Value>,
        parallel_tool_calls: Option<bool>,
        documents: Option<Value>,
        enable_thinking: Option<bool>,
        max_completion_tokens: Option<usize>,
        logprobs: Option<bool>,
        top_logprobs: Option<usize>,
    }
}

params! {
    /// Parameters of a text completion, as in OpenAI's legacy API.
    CompletionParams {
        prompt: Prompt,
        echo: Option<bool>,
        logprobs: Option<usize>,
    }
}

/// Parameters of embeddings, as in OpenAI's API.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingParams {
    /// Accepted for OpenAI's clients.
    pub model: Option<String>,
    /// What to embed.
    pub input: EmbeddingInput,
    /// Width of the vectors; only the model's own.
    pub dimensions: Option<usize>,
}

/// Texts, or their token ids.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the variants say what they hold")]
pub enum EmbeddingInput {
    Text(String),
    Texts(Vec<String>),
    Ids(Vec<u32>),
    ManyIds(Vec<Vec<u32>>),
}

/// A string or a list of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the variants say what they hold")]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// Text or token ids.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the variants say what they hold")]
pub enum Prompt {
    Text(String),
    Ids(Vec<u32>),
}

/// What both kinds of request share, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Common {
    /// How tokens are chosen; the seed of the first choice.
    pub sampling: Sampling,
    /// Tokens of an answer at most; as many as the context holds if absent.
    pub max_tokens: Option<usize>,
    /// Strings that end the answer.
    pub stop: Vec<String>,
    /// Number of answers.
    pub choices: usize,
    /// Go on after an end-of-generation token.
    pub ignore_eos: bool,
    /// The form that each answer must have.
    pub constraint: Option<Demand>,
    /// How many of the likeliest tokens to tell at each place; none, and no probabilities at all, if absent.
    pub top_logprobs: Option<usize>,
}

/// Reads JSON; errors name the field.
///
/// # Errors
/// `invalid_request`
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json)).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        // serde_json appends a position in a text that the caller never saw.
        let message = message.split(" at line ").next().unwrap_or_default().to_string();
        let detail = if path == "." || message.contains(&format!("`{path}`")) {
            message
        } else {
            format!("{path}: {message}")
        };
        Error::new(ErrorKind::InvalidRequest, detail)
    })
}

impl LoadOptions {
    /// The hash that the file must have, in lower case.
    ///
    /// # Errors
    /// `invalid_request`
    pub fn sha256(&self) -> Result<Option<String>> {
        match &self.sha256 {
            Some(hash) if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(Some(hash.to_ascii_lowercase()))
            }
            Some(hash) => bail!(InvalidRequest, "sha256 is {hash:?}; 64 hexadecimal digits are expected"),
            None => Ok(None),
        }
    }
}

impl Request {
    /// Reads `{ "kind": "chat" | "completion", "params": { … } }`.
    ///
    /// # Errors
    /// `invalid_request`, naming the field.
    pub fn parse(json: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            kind: String,
            #[serde(borrow)]
            params: &'a serde_json::value::RawValue,
        }
        let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(json) else {
            bail!(InvalidRequest, "a request has a kind and params");
        };
        match envelope.kind.as_str() {
            "chat" => parse(envelope.params.get()).map(Request::Chat),
            "completion" => parse(envelope.params.get()).map(Request::Completion),
            other => bail!(InvalidRequest, "kind is {other:?}; chat and completion are known"),
        }
    }

    /// What both kinds share.
    ///
    /// # Errors
    /// `invalid_request`, naming the field that is out of range.
    pub fn common(&self, vocab: usize) -> Result<Common> {
        let params = match self {
            Request::Completion(params) => {
                let top_logprobs = logprobs(params.logprobs, "logprobs")?;
                return Ok(Common { top_logprobs, ..params.common(params.max_tokens, vocab)? });
            }
            Request::Chat(params) => params,
        };
        if params.max_tokens.is_some() && params.max_completion_tokens.is_some() {
            bail!(InvalidRequest, "max_tokens and max_completion_tokens mean the same: give one");
        }
        let wanted = params.logprobs == Some(true);
        if params.top_logprobs.is_some() && !wanted {
            bail!(InvalidRequest, "top_logprobs is given, but logprobs is not true");
        }
        let top_logprobs = logprobs(params.top_logprobs.or(wanted.then_some(0)), "top_logprobs")?;
        let max_tokens = params.max_completion_tokens.or(params.max_tokens);
        Ok(Common { top_logprobs, ..params.common(max_tokens, vocab)? })
    }
}

fn logprobs(count: Option<usize>, field: &str) -> Result<Option<usize>> {
    match count {
        Some(count) if count > MAX_LOGPROBS => {
            bail!(InvalidRequest, "{field} is {count}; it must lie between 0 and {MAX_LOGPROBS}")
        }
        count => Ok(count),
    }
}

fn within(field: &str, value: Option<f32>, default: f32, min: f32, max: f32) -> Result<f32> {
    match value {
        None => Ok(default),
        Some(value) if (min..=max).contains(&value) => Ok(value),
        Some(value) => bail!(InvalidRequest, "{field} is {value}; it must lie between {min} and {max}"),
    }
}

fn stops(stop: Option<&OneOrMany<String>>) -> Result<Vec<String>> {
    let stops = match stop {
        None => Vec::new(),
        Some(OneOrMany::One(stop)) => vec![stop.clone()],
        Some(OneOrMany::Many(stops)) => stops.clone(),
    };
    if stops.len() > MAX_STOPS {
        bail!(InvalidRequest, "stop holds {} strings; {MAX_STOPS} are allowed", stops.len());
    }
    if stops.iter().any(String::is_empty) {
        bail!(InvalidRequest, "stop holds an empty string");
    }
    Ok(stops)
}

fn choices(n: Option<usize>) -> Result<usize> {
    match n.unwrap_or(1) {
        n @ 1..=MAX_CHOICES => Ok(n),
        n => bail!(InvalidRequest, "n is {n}; it must lie between 1 and {MAX_CHOICES}"),
    }
}

fn logit_bias(bias: Option<&BTreeMap<String, f32>>, vocab: usize) -> Result<Vec<(u32, f32)>> {
    let pair = |(id, &bias): (&String, &f32)| match id.parse::<u32>() {
        Ok(token) if (token as usize) < vocab && (-100.0..=100.0).contains(&bias) => Ok((token, bias)),
        Ok(token) if (token as usize) < vocab => {
            bail!(InvalidRequest, "logit_bias[{id}] is {bias}; it must lie between -100 and 100")
        }
        _ => bail!(InvalidRequest, "logit_bias has the key {id:?}; keys are token ids below {vocab}"),
    };
    bias.into_iter().flatten().map(pair).collect()
}

/// A seed for those who gave none.
fn random_seed() -> u64 {
    getrandom::u64().unwrap_or(0)
}
