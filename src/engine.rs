//! Who executes a recording.
//!
//! - [`NaiveEngine`]: the kernels' naive twins on dequantised f32 weights, the oracle of the others; not in a browser.
//! - [`CpuEngine`]: repacked weights, integer dot products, SIMD.
//! - [`GpuEngine`]: WebGPU kernels, in a browser or on Vulkan.
//!
//! All implement the same ops and know nothing of any model.

mod cpu;
mod gpu;
#[cfg_attr(all(target_arch = "wasm32", not(feature = "kernel-tests")), path = "engine/naive_absent.rs")]
mod naive;

#[cfg(target_arch = "wasm32")]
pub use cpu::serve;
pub use cpu::{BUILD, CpuEngine, cache_bytes_per_token, matrix_bytes, quantizes_cache};
pub use gpu::{Adapter, Gpu, GpuEngine, RunCost, Tiles, Tuning};
pub use naive::NaiveEngine;

use crate::error::Result;
use crate::kernels::argmax::argmax;
use crate::kernels::draw::Draw;
use crate::recording::{MatrixId, VectorId, View};

/// Takes weights as they stream in, in any order.
pub trait WeightSink {
    /// Rows of a matrix from row `first` on, in the file's format; `bytes` holds whole rows.
    ///
    /// # Errors
    /// `out_of_memory`, or what the engine's device fails with.
    fn rows(&mut self, id: MatrixId, first: usize, bytes: &[u8]) -> Result<()>;

    /// A whole vector.
    fn vector(&mut self, id: VectorId, values: Vec<f32>);
}

/// One sequence's caches in an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceId(pub usize);

/// Puts a sequence's state where a closed one was, or behind the others.
fn keep<T>(slots: &mut Vec<Option<T>>, state: T) -> SequenceId {
    let free = slots.iter().position(Option::is_none).unwrap_or(slots.len());
    if free == slots.len() {
        slots.push(None);
    }
    slots[free] = Some(state);
    SequenceId(free)
}

/// Tokens to run through the model.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Whose caches to read and extend.
    pub sequence: SequenceId,
    /// Ids, each below the vocabulary's size.
    pub tokens: &'a [u32],
    /// Position of the first token. What the caches hold from there on is overwritten.
    pub position: usize,
    /// First token of the batch whose logits are wanted; `tokens.len()` for none.
    pub first_logits: usize,
}

/// How a token is chosen from the logits of the one before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pick {
    /// The likeliest.
    Likeliest,
    /// At random.
    Drawn(Draw),
}

impl Pick {
    /// The token's id, from `logits`, `[vocabulary]`. `scratch` is overwritten.
    pub fn id(&self, logits: &[f32], scratch: &mut Vec<f32>) -> u32 {
        match self {
            Pick::Likeliest => argmax(logits),
            Pick::Drawn(draw) => draw.id(logits, scratch),
        }
    }
}

/// Executes recordings.
#[allow(async_fn_in_trait, reason = "everything of a page runs in one worker: no future needs to be Send")]
pub trait Engine: WeightSink {
    /// Caches for a sequence of at most `context` tokens.
    ///
    /// # Errors
    /// `out_of_memory`, and nothing else has changed then
    async fn open(&mut self, context: usize) -> Result<SequenceId>;

    /// Frees a sequence's caches.
    fn close(&mut self, sequence: SequenceId);

    /// Copies the first `tokens` positions of `from`'s caches over those of `to`, which has room for them, and `from`'s
    /// recurrent states as they are now.
    ///
    /// # Errors
    /// What the engine's device fails with.
    fn copy(&mut self, from: SequenceId, to: SequenceId, tokens: usize) -> Result<()>;

    /// Runs a batch. Afterwards [`Engine::logits`] holds `[wanted tokens, vocabulary]`.
    ///
    /// # Errors
    /// What the engine's device fails with.
    async fn run(&mut self, batch: Batch<'_>) -> Result<()>;

    /// Runs a batch of which the last token's logits alone are wanted, and chooses the token to follow it; none if a logit
    /// is no finite number. An engine need not give out logits for that. `scratch` is overwritten.
    ///
    /// `ahead` says how the tokens after that one are likely to be chosen, so that an engine may begin with them: the next
    /// run is then that token's, alone, at the next position, to be followed by `ahead[0]`'s choice, and so on. Whatever runs
    /// instead finds everything as if nothing had begun. Not for recordings that cannot rewind, nor beyond the context's end.
    ///
    /// # Errors
    /// What the engine's device fails with.
    async fn run_to_pick(
        &mut self,
        batch: Batch<'_>,
        pick: Pick,
        _ahead: &[Pick],
        scratch: &mut Vec<f32>,
    ) -> Result<Option<u32>> {
        self.run(batch).await?;
        let logits = self.logits();
        let is_finite = logits.iter().all(|logit| logit.is_finite());
        Ok(is_finite.then(|| pick.id(logits, scratch)))
    }

    /// Logits of the last run.
    fn logits(&mut self) -> &mut [f32];

    /// Columns `x` of an activation buffer as the last run left it, `[tokens, width]`. The run wanted no logits and was of
    /// no more tokens than a piece of a prompt.
    ///
    /// # Errors
    /// What the engine's device fails with.
    async fn read(&mut self, x: View) -> Result<Vec<f32>>;
}

/// The engine that a model runs on.
#[allow(clippy::large_enum_variant, reason = "there is one engine per model")]
pub enum AnyEngine {
    /// The oracle.
    Naive(NaiveEngine),
    /// SIMD on the CPU.
    Cpu(CpuEngine),
    /// WebGPU.
    Gpu(GpuEngine),
}

/// Calls the same method on whichever engine it is.
macro_rules! each {
    ($self:expr, $engine:ident => $call:expr) => {
        match $self {
            AnyEngine::Naive($engine) => $call,
            AnyEngine::Cpu($engine) => $call,
            AnyEngine::Gpu($engine) => $call,
        }
    };
}

impl AnyEngine {
    /// The GPU, if one executes.
    pub fn adapter(&self) -> Option<&Adapter> {
        match self {
            AnyEngine::Gpu(engine) => Some(engine.adapter()),
            AnyEngine::Naive(_) | AnyEngine::Cpu(_) => None,
        }
    }

    /// How the GPU's kernels compute, if one executes.
    pub fn tuning(&self) -> Option<Tuning> {
        match self {
            AnyEngine::Gpu(engine) => Some(engine.tuning()),
            AnyEngine::Naive(_) | AnyEngine::Cpu(_) => None,
        }
    }

    /// Lets the GPU, if one executes, compute in another way from now on.
    ///
    /// # Errors
    /// As [`GpuEngine::new`].
    pub fn retune(&mut self, tuning: Tuning) -> Result<()> {
        match self {
            AnyEngine::Gpu(engine) => engine.retune(tuning),
            AnyEngine::Naive(_) | AnyEngine::Cpu(_) => Ok(()),
        }
    }

    /// The GPU without what it held, if one executes.
    pub fn into_gpu(self) -> Option<Gpu> {
        match self {
            AnyEngine::Gpu(engine) => Some(engine.dismantle()),
            AnyEngine::Naive(_) | AnyEngine::Cpu(_) => None,
        }
    }

    /// Whether the engine's device still works.
    ///
    /// # Errors
    /// What it failed with.
    pub fn check(&self) -> Result<()> {
        match self {
            AnyEngine::Gpu(engine) => engine.check(),
            AnyEngine::Naive(_) | AnyEngine::Cpu(_) => Ok(()),
        }
    }

    /// What the last run cost on a GPU.
    pub fn run_cost(&self) -> Option<RunCost> {
        match self {
            AnyEngine::Gpu(engine) => Some(engine.cost()),
            AnyEngine::Naive(_) | AnyEngine::Cpu(_) => None,
        }
    }

    /// How many tokens it begins with ahead of the one that is waited for.
    pub fn tokens_ahead(&self) -> usize {
        match self {
            AnyEngine::Gpu(engine) => engine.tokens_ahead(),
            AnyEngine::Naive(_) | AnyEngine::Cpu(_) => 0,
        }
    }

    /// Bytes of GPU memory.
    pub fn gpu_bytes(&self) -> usize {
        match self {
            AnyEngine::Gpu(engine) => engine.allocated_bytes(),
            AnyEngine::Naive(_) | AnyEngine::Cpu(_) => 0,
        }
    }
}

impl WeightSink for AnyEngine {
    fn rows(&mut self, id: MatrixId, first: usize, bytes: &[u8]) -> Result<()> {
        each!(self, engine => engine.rows(id, first, bytes))
    }

    fn vector(&mut self, id: VectorId, values: Vec<f32>) {
        each!(self, engine => engine.vector(id, values));
    }
}

impl Engine for AnyEngine {
    async fn open(&mut self, context: usize) -> Result<SequenceId> {
        each!(self, engine => engine.open(context).await)
    }

    fn close(&mut self, sequence: SequenceId) {
        each!(self, engine => engine.close(sequence));
    }

    fn copy(&mut self, from: SequenceId, to: SequenceId, tokens: usize) -> Result<()> {
        each!(self, engine => engine.copy(from, to, tokens))
    }

    async fn run(&mut self, batch: Batch<'_>) -> Result<()> {
        each!(self, engine => engine.run(batch).await)
    }

    async fn run_to_pick(
        &mut self,
        batch: Batch<'_>,
        pick: Pick,
        ahead: &[Pick],
        scratch: &mut Vec<f32>,
    ) -> Result<Option<u32>> {
        each!(self, engine => engine.run_to_pick(batch, pick, ahead, scratch).await)
    }

    fn logits(&mut self) -> &mut [f32] {
        each!(self, engine => engine.logits())
    }

    async fn read(&mut self, x: View) -> Result<Vec<f32>> {
        each!(self, engine => engine.read(x).await)
    }
}
