//! The Rust API: load a model, generate, look inside.

mod ask;
mod embed;
mod estimate;
mod options;

pub use embed::Embeddings;
pub use estimate::Estimate;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;
use web_time::Instant;

use crate::cancel::Cancel;
use crate::chat::Prompter;
use crate::constraint::Compiler;
use crate::encoder::Encoder;
use crate::engine::RunCost;
use crate::error::{Error, ErrorKind, Result, bail};
use crate::files::ModelFiles;
use crate::gguf::Gguf;
use crate::info::Info;
use crate::logprobs::log_sum;
use crate::network::{Backend, Blueprint, Draft, Executor, Network};
use crate::prefix_cache::PrefixCache;
use crate::recovery::{Origin, Recovery};
use crate::request::{BackendChoice, LoadOptions, Prompt};
use crate::score;
use crate::source::{HashingSource, LocalFuture, Source};
use crate::spec::{EncoderSpec, Spec};
use crate::tokenizer::{EncodeOptions, Tokenizer};
use crate::trial::Place;
use crate::weights::Target;

/// How far loading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes done.
    pub loaded: u64,
    /// Bytes in all.
    pub total: u64,
}

/// A phase of loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Bytes arrive and are repacked.
    Download,
    /// Bytes are read from the cache and repacked.
    Cache,
    /// What no tensor needed is read, and the whole file's hash compared or noted.
    Verify,
    /// A first token waits for all that the GPU has still to take in and to compile.
    Compile,
    /// The model can be used.
    Ready,
}

/// A loaded model. Requests may be made at once; they are carried out one after the other, in order.
pub struct Model {
    /// What runs it may change.
    info: Rc<RefCell<Info>>,
    tokenizer: Arc<Tokenizer>,
    prompter: Prompter,
    context_length: usize,
    compiler: Compiler,
    runner: Mutex<Runner>,
}

#[allow(clippy::large_enum_variant, reason = "a model has one")]
enum Runner {
    /// Writes.
    Decoder(Decoder),
    /// Reads.
    Encoder(Encoder),
}

struct Decoder {
    network: Network,
    cache: PrefixCache,
    /// On the GPU.
    recovery: Option<Recovery>,
}

impl Decoder {
    /// Comes back if the GPU was lost since the last request.
    async fn ensure(&mut self, cancel: &Cancel) -> Result<()> {
        match &mut self.recovery {
            Some(recovery) => recovery.ensure(&mut self.network, &mut self.cache, cancel).await,
            None => Ok(()),
        }
    }
}

impl Runner {
    /// What a model that writes runs on.
    fn decoder(&mut self) -> Result<&mut Decoder> {
        match self {
            Runner::Decoder(decoder) => Ok(decoder),
            Runner::Encoder(_) => Err(Error::new(
                ErrorKind::InvalidRequest,
                "the model is an encoder: it reads texts and writes none",
            )
            .with_hint("Use embeddings.create, or load a model that writes.")),
        }
    }
}

/// What a model thinks of a text. The first token, which nothing precedes, is in neither list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Tokens.
    pub ids: Vec<u32>,
    /// Natural logarithm of each one's probability, given those before it.
    pub logprobs: Vec<f32>,
    /// `exp(−mean(logprobs))`
    pub perplexity: f64,
}

/// Time between two reports of progress while bytes move.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

impl Model {
    /// Loads a model from its file, or the files it is split into.
    ///
    /// # Errors
    /// The kinds of [`ErrorKind`] that speak of files, memory and options; `aborted`.
    pub async fn load(
        parts: Vec<Box<dyn Source>>,
        options: &LoadOptions,
        cancel: &Cancel,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Self> {
        let (parts, hashes) = hashed(parts, options.sha256()?)?;
        let phase = if parts.iter().all(|part| part.is_cached()) { Phase::Cache } else { Phase::Download };
        let ModelFiles { table: gguf, tokenizer } = ModelFiles::read_or_refuse(&parts).await?;
        cancel.check()?;
        let prompter = Prompter::new(&gguf.metadata, &tokenizer);
        let total = gguf.total_bytes;
        on_progress(Progress { phase, loaded: 0, total });
        let mut reported = Instant::now();
        let mut on_bytes = |loaded: u64| {
            if reported.elapsed() >= PROGRESS_INTERVAL {
                reported = Instant::now();
                on_progress(Progress { phase, loaded, total });
            }
        };
        if let Some(spec) = EncoderSpec::read(&gguf)? {
            let model =
                Self::load_encoder(spec, &gguf, tokenizer, &parts, options, cancel, &mut on_bytes).await?;
            on_progress(Progress { phase, loaded: total, total });
            on_progress(Progress { phase: Phase::Verify, loaded: total, total });
            let mut info = model.info();
            info.note_files(&hashes, phase == Phase::Cache).await?;
            model.info.replace(info);
            on_progress(Progress { phase: Phase::Ready, loaded: total, total });
            return Ok(model);
        }
        let quantize = options.quantize.map(Into::into);
        let spec = Spec::read(&gguf)?;
        let draft = Draft::new(spec.clone(), &gguf, options.context_length, quantize)?;
        let mut blueprint = draft.finish(&gguf, &parts).await?;
        blueprint.threads = options.threads()?;
        blueprint.tokens_in_flight = options.tokens_in_flight()?;
        let Place { executor, mut reason, .. } = options.place(&spec, &gguf, cancel).await?;
        cancel.check()?;
        let mut backend = executor.backend();
        let may_fall_back = options.fallback != Some(false);
        let mut recovery = (backend == Backend::Gpu).then(|| Recovery::new(blueprint.clone(), may_fall_back));
        let is_chosen = recovery.is_some() && options.backend_choice() == BackendChoice::Auto;
        let opened = Self::open(blueprint.clone(), &gguf, &parts, executor, cancel, &mut on_bytes).await;
        let (mut network, mut cache) = match opened {
            // What nobody asked for has to work.
            Err(error) if is_chosen && error.is_of_the_gpu() => {
                reason = format!("the GPU failed: {}", error.detail());
                (backend, recovery) = (Backend::Cpu, None);
                let blueprint = blueprint.clone();
                Self::open(blueprint, &gguf, &parts, Executor::Cpu, cancel, &mut on_bytes).await?
            }
            opened => opened?,
        };
        if tokenizer.vocab_size() > network.spec.vocab {
            bail!(
                CorruptFile,
                "the vocabulary has {} tokens, the embedding table {} rows",
                tokenizer.vocab_size(),
                network.spec.vocab
            );
        }
        let mut info = Info::new(&gguf, &network, backend, &reason, prompter.has_template());
        if let Some(choice) =
            options.quantize.filter(|_| matches!(info.quantization.as_str(), "F32" | "F16" | "BF16"))
        {
            info.quantization = format!("{:?}", Target::from(choice));
        }
        on_progress(Progress { phase, loaded: total, total });
        on_progress(Progress { phase: Phase::Verify, loaded: total, total });
        info.note_files(&hashes, phase == Phase::Cache).await?;
        let context_length = network.context_length;
        if backend == Backend::Gpu {
            on_progress(Progress { phase: Phase::Compile, loaded: total, total });
            // Browsers tell only now of memory that could not be had, or of a kernel that the driver refuses.
            match network.warm_up().await {
                Err(error) if is_chosen && error.is_of_the_gpu() => {
                    reason = format!("the GPU failed: {}", error.detail());
                    recovery = None;
                    (network, cache) =
                        Self::open(blueprint, &gguf, &parts, Executor::Cpu, cancel, &mut |_| {}).await?;
                    info.note_engine(&network, Backend::Cpu, &reason);
                }
                warmed => warmed?,
            }
        }
        on_progress(Progress { phase: Phase::Ready, loaded: total, total });
        let tokenizer = Arc::new(tokenizer);
        Ok(Self {
            info: Rc::new(RefCell::new(info)),
            compiler: Compiler::new(Arc::clone(&tokenizer)),
            tokenizer,
            prompter,
            context_length,
            runner: Mutex::new(Runner::Decoder(Decoder { network, cache, recovery })),
        })
    }

    /// A network, and the memory of its conversations. On the heap, as its callers would each have a copy of the code.
    fn open<'a>(
        blueprint: Blueprint,
        gguf: &'a Gguf,
        parts: &'a [Box<dyn Source>],
        executor: Executor,
        cancel: &'a Cancel,
        on_bytes: &'a mut dyn FnMut(u64),
    ) -> LocalFuture<'a, Result<(Network, PrefixCache)>> {
        Box::pin(async move {
            let mut network = Network::build(blueprint, gguf, parts, executor, cancel, on_bytes).await?;
            let cache = PrefixCache::open(&mut network).await?;
            Ok((network, cache))
        })
    }

    /// Says how the model's files can be opened again, should the GPU be lost.
    #[must_use]
    pub fn recovering(mut self, origin: Origin) -> Self {
        if let Runner::Decoder(Decoder { recovery: Some(recovery), .. }) = self.runner.get_mut() {
            recovery.set_origin(origin, Rc::clone(&self.info));
        }
        self
    }

    /// How often the GPU was lost; `None` while a request runs.
    pub fn device_losses(&self) -> Option<usize> {
        self.runner.try_lock().ok().map(|runner| match &*runner {
            Runner::Decoder(decoder) => decoder.recovery.as_ref().map_or(0, Recovery::losses),
            Runner::Encoder(_) => 0,
        })
    }

    /// What the model is and how it runs, as of now.
    pub fn info(&self) -> Info {
        self.info.borrow().clone()
    }

    /// Its vocabulary.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Text of `ids`.
    ///
    /// # Errors
    /// `invalid_request` for an id outside the vocabulary.
    pub fn detokenize(&self, ids: &[u32]) -> Result<String> {
        self.check_ids("ids", ids)?;
        Ok(self.tokenizer.decode(ids, false))
    }

    fn check_ids(&self, field: &str, ids: &[u32]) -> Result<()> {
        let vocab_size = self.info.borrow().vocab_size;
        match ids.iter().find(|&&id| id as usize >= vocab_size) {
            Some(id) => {
                bail!(InvalidRequest, "{field} holds the token id {id}; the vocabulary has {vocab_size}")
            }
            None => Ok(()),
        }
    }

    /// How likely the model finds `input`: each token after the first, with the logarithm of its probability.
    ///
    /// # Errors
    /// `context_overflow`, `invalid_request`, `aborted`, `numeric_error`.
    #[allow(clippy::cast_precision_loss, reason = "counts are small")]
    pub async fn score(&self, input: &Prompt, cancel: &Cancel) -> Result<Score> {
        let ids = match input {
            Prompt::Text(text) => {
                self.tokenizer.encode(text, EncodeOptions { add_special: true, parse_special: true })?
            }
            Prompt::Ids(ids) => ids.clone(),
        };
        self.check_ids("input", &ids)?;
        let mut runner = self.runner.lock().await;
        let decoder = runner.decoder()?;
        decoder.ensure(cancel).await?;
        let Decoder { network, cache, .. } = decoder;
        let mut logprobs = Vec::new();
        let each = |logits: &[f32], id: u32| logprobs.push(logits[id as usize] - log_sum(logits));
        score::predictions(network, cache, &ids, cancel, each).await?;
        let mean = logprobs.iter().map(|&l| f64::from(l)).sum::<f64>() / logprobs.len().max(1) as f64;
        Ok(Score { ids: ids.into_iter().skip(1).collect(), logprobs, perplexity: (-mean).exp() })
    }

    /// What the last run cost on a GPU; `None` while a request runs, and on the CPU.
    pub fn run_cost(&self) -> Option<RunCost> {
        self.runner.try_lock().ok().and_then(|runner| match &*runner {
            Runner::Decoder(decoder) => decoder.network.run_cost(),
            Runner::Encoder(_) => None,
        })
    }

    /// Bytes of GPU memory; `None` while a request runs.
    pub fn gpu_bytes(&self) -> Option<usize> {
        self.runner.try_lock().ok().map(|runner| match &*runner {
            Runner::Decoder(decoder) => decoder.network.gpu_bytes(),
            Runner::Encoder(_) => 0,
        })
    }

    /// Tokens of all conversations that need not be computed again; `None` while a request runs.
    pub fn cached_tokens(&self) -> Option<usize> {
        self.runner.try_lock().ok().map(|runner| match &*runner {
            Runner::Decoder(decoder) => decoder.cache.len(),
            Runner::Encoder(_) => 0,
        })
    }
}

/// A model's files, and the same as what knows their hashes.
type Hashed = (Vec<Box<dyn Source>>, Vec<Rc<HashingSource>>);

/// `parts`, hashed as they are read where somebody wants to know: the caller, who gave a hash, or the cache.
fn hashed(parts: Vec<Box<dyn Source>>, expected: Option<String>) -> Result<Hashed> {
    if expected.is_some() && parts.len() > 1 {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            "sha256 is one file's hash, and this model has several files",
        )
        .with_hint("Leave sha256 out, or merge the files with gguf-split --merge."));
    }
    let hashing = parts.into_iter().map(|part| HashingSource::new(part, expected.clone()).map(Rc::new));
    let hashing = hashing.collect::<Result<Vec<_>>>()?;
    Ok((hashing.iter().map(|source| Box::new(Rc::clone(source)) as Box<dyn Source>).collect(), hashing))
}
