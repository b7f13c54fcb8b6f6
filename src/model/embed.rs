//! Vectors of texts, and loading models that read and do not write.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Mutex;

use super::{Estimate, Model, Runner};
use crate::budget::{MEMORY_LIMIT, MemoryBytes};
use crate::cancel::Cancel;
use crate::chat::Prompter;
use crate::constraint::Compiler;
use crate::encoder::Encoder;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::gguf::Gguf;
use crate::info::Info;
use crate::network::{Network, PREFILL_CHUNK};
use crate::pool::Pool;
use crate::prefix_cache::PrefixCache;
use crate::request::{EmbeddingInput, EmbeddingParams, LoadOptions};
use crate::source::Source;
use crate::spec::EncoderSpec;
use crate::task::Pace;
use crate::tokenizer::{EncodeOptions, Tokenizer};
use crate::weights::load_encoder;

/// More texts than one call should hold, as in OpenAI's API.
const MAX_INPUTS: usize = 2048;

/// Vectors of texts. Field names are those that JavaScript reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Embeddings {
    /// One for each text, in order, each of length 1.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all texts.
    pub tokens: usize,
}

impl Model {
    pub(super) async fn load_encoder(
        spec: EncoderSpec,
        gguf: &Gguf,
        tokenizer: Tokenizer,
        parts: &[Box<dyn Source>],
        options: &LoadOptions,
        cancel: &Cancel,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        if tokenizer.vocab_size() > spec.vocab {
            bail!(
                CorruptFile,
                "the vocabulary has {} tokens, the embedding table {} rows",
                tokenizer.vocab_size(),
                spec.vocab
            );
        }
        let Estimate { reason, context_length, .. } = Self::estimate_encoder(&spec, gguf, options)?;
        if let Some(reason) = reason {
            return Err(Error::new(ErrorKind::OutOfMemory, reason).with_hint("Choose a smaller model."));
        }
        let info = Info::of_encoder(gguf, &spec);
        let spec = EncoderSpec { context_length, ..spec };
        let weights = load_encoder(&spec, gguf, parts, cancel, on_bytes).await?;
        let tokenizer = Arc::new(tokenizer);
        Ok(Self {
            info: Rc::new(RefCell::new(Info { context_length, ..info })),
            compiler: Compiler::new(Arc::clone(&tokenizer)),
            prompter: Prompter::new(&gguf.metadata, &tokenizer),
            tokenizer,
            context_length,
            runner: Mutex::new(Runner::Encoder(Encoder::new(spec, weights))),
        })
    }

    /// What loading an encoder would take: its weights as f32, and little else.
    pub(super) fn estimate_encoder(
        spec: &EncoderSpec,
        gguf: &Gguf,
        options: &LoadOptions,
    ) -> Result<Estimate> {
        let context_length = match options.context_length {
            Some(wanted) if wanted == 0 || wanted > spec.context_length => {
                bail!(
                    InvalidRequest,
                    "contextLength is {wanted}, the model was trained for {}",
                    spec.context_length
                )
            }
            wanted => wanted.unwrap_or(spec.context_length),
        };
        let weights = gguf.tensors.iter().map(|tensor| 4 * tensor.elements() as u64).sum();
        let scratch = 4 * context_length as u64 * (4 * spec.hidden + spec.feed_forward) as u64;
        let memory_bytes = MemoryBytes { weights, kv_cache: 0, scratch };
        let fits = memory_bytes.total() <= MEMORY_LIMIT;
        let reason = (!fits).then(|| {
            format!(
                "the model needs {} MB of memory; there are at most {}",
                memory_bytes.total() >> 20,
                MEMORY_LIMIT >> 20
            )
        });
        let download_bytes = gguf.total_bytes;
        Ok(Estimate {
            fits,
            reason,
            download_bytes,
            memory_bytes,
            context_length,
            backend: "cpu".into(),
            cached: false,
            expected_tokens_per_second: None,
        })
    }

    /// Vectors of texts, after the requests that were made before.
    ///
    /// # Errors
    /// `invalid_request` naming the input that is wrong, or for models that rank; `context_overflow`, `aborted`,
    /// `numeric_error`.
    pub async fn embed(&self, params: &EmbeddingParams, cancel: &Cancel) -> Result<Embeddings> {
        let texts = match &params.input {
            EmbeddingInput::Text(text) => vec![self.embedding_ids(0, text)?],
            EmbeddingInput::Texts(texts) => texts
                .iter()
                .enumerate()
                .map(|(at, text)| self.embedding_ids(at, text))
                .collect::<Result<_>>()?,
            EmbeddingInput::Ids(ids) => vec![ids.clone()],
            EmbeddingInput::ManyIds(many) => many.clone(),
        };
        if texts.is_empty() || texts.len() > MAX_INPUTS {
            bail!(InvalidRequest, "input holds {} texts; 1 to {MAX_INPUTS} are allowed", texts.len());
        }
        let mut runner = self.runner.lock().await;
        let width = match &*runner {
            Runner::Encoder(encoder) => encoder.spec.hidden,
            Runner::Decoder(decoder) => decoder.network.spec.hidden,
        };
        if let Some(dimensions) = params.dimensions.filter(|&dimensions| dimensions != width) {
            bail!(InvalidRequest, "dimensions is {dimensions}; the model's vectors have {width}");
        }
        let mut vectors = Vec::with_capacity(texts.len());
        for (at, ids) in texts.iter().enumerate() {
            cancel.check()?;
            let named = |error: Error| match error.kind() {
                ErrorKind::InvalidRequest | ErrorKind::ContextOverflow => {
                    Error::new(error.kind(), format!("input[{at}]: {}", error.detail()))
                }
                _ => error,
            };
            let vector = match &mut *runner {
                Runner::Encoder(encoder) => encoder.embed(ids, cancel).await,
                Runner::Decoder(decoder) => {
                    decoder.ensure(cancel).await?;
                    embed(&mut decoder.network, &mut decoder.cache, ids, cancel).await
                }
            };
            vectors.push(vector.map_err(named)?);
        }
        Ok(Embeddings { vectors, tokens: texts.iter().map(Vec::len).sum() })
    }

    fn embedding_ids(&self, at: usize, text: &str) -> Result<Vec<u32>> {
        if text.is_empty() {
            bail!(InvalidRequest, "input[{at}] is empty");
        }
        self.tokenizer.encode(text, EncodeOptions { add_special: true, parse_special: true })
    }
}

/// The vector of a text, of length 1, by a model that writes: what it has made of the text where it would go on.
async fn embed(
    network: &mut Network,
    cache: &mut PrefixCache,
    ids: &[u32],
    cancel: &Cancel,
) -> Result<Vec<f32>> {
    let Some(pooling) = network.spec.pooling else {
        bail!(InvalidRequest, "the model ranks texts: it has no vectors of them")
    };
    if ids.is_empty() {
        bail!(InvalidRequest, "the text is empty: it has no tokens");
    }
    if ids.len() > network.context_length {
        bail!(
            ContextOverflow,
            "the text has {} tokens, the model reads {}",
            ids.len(),
            network.context_length
        );
    }
    let mut pool = Pool::new(pooling, network.spec.hidden);
    let mut pace = Pace::start();
    cache.begin_anew(network).await?;
    for chunk in ids.chunks(PREFILL_CHUNK) {
        cancel.check()?;
        cache.active().extend(network, chunk, chunk.len()).await?;
        pool.add(&network.hidden().await?);
        pace.breathe().await;
    }
    pool.finish()
}
