//! A model without its text side: token ids in, logits out.

mod executor;

pub use executor::{Backend, Executor};

use crate::budget::{Budget, MEMORY_LIMIT};
use crate::cancel::Cancel;
use crate::engine::{
    AnyEngine, Batch, CpuEngine, Engine, GpuEngine, NaiveEngine, Pick, RunCost, SequenceId, Tuning,
};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::forward;
use crate::gguf::Gguf;
use crate::readout::Readout;
use crate::recording::{Recording, RopeTable};
use crate::source::{LocalFuture, Source};
use crate::spec::{RopeFactors, RopeSpec, Spec};
use crate::weights::{self, Plan, Quantizer, Target, Weights};

/// Context where neither the caller nor the model asks for less.
pub const DEFAULT_CONTEXT: usize = 4096;
/// Tokens of a prompt that run together.
pub const PREFILL_CHUNK: usize = 128;

/// A loaded network.
pub struct Network {
    /// Hyper-parameters.
    pub spec: Spec,
    /// Tokens that a sequence can hold.
    pub context_length: usize,
    /// Room for conversations that wait.
    pub parking: Parking,
    engine: AnyEngine,
    readout: Readout,
    can_rewind: bool,
    /// Of the choice of tokens, which allocates nothing after the first.
    scratch: Vec<f32>,
}

/// How much memory conversations may take that wait while another one is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parking {
    /// Tokens of all of them.
    pub tokens: usize,
    /// Tokens that each one counts in addition: its recurrent states.
    pub overhead: usize,
}

/// What will run on which tensors: a network before its weights are loaded. Plain data, so that a spec, a recording
/// or a plan can be looked at, or changed to see what depends on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    /// Hyper-parameters.
    pub spec: Spec,
    /// Tokens that a sequence can hold.
    pub context_length: usize,
    /// Which rows of which tensors each operand is.
    pub plan: Plan,
    /// The forward pass.
    pub recording: Recording,
    /// Threads of the CPU engine, or as many as there are.
    pub threads: usize,
    /// Tokens that the GPU engine may begin with before the one before them is known.
    pub tokens_in_flight: usize,
    /// Room for conversations that wait.
    pub parking: Parking,
}

impl Blueprint {
    /// Draws the blueprint of a model of this `spec` from the tensors that `gguf` lists. Of the weights only the
    /// rotary divisors are read from `parts`.
    ///
    /// # Errors
    /// `corrupt_file` naming a tensor that `spec` asks for and that is missing or has another shape;
    /// `invalid_request` for a context longer than the trained one; `out_of_memory`; what the source fails with.
    pub async fn draw(
        spec: Spec,
        gguf: &Gguf,
        parts: &[Box<dyn Source>],
        context_length: Option<usize>,
    ) -> Result<Self> {
        Draft::new(spec, gguf, context_length, None)?.finish(gguf, parts).await
    }
}

/// What a header alone says of a network: a blueprint without its rotary tables, which may need a tensor.
pub struct Draft {
    /// What it takes in memory.
    pub budget: Budget,
    /// Tokens that are wanted, whether they fit or not.
    pub context_length: usize,
    /// Whether the caller wanted them, or nobody said.
    pub asked_for: bool,
    spec: Spec,
    plan: Plan,
    recording: Recording,
}

impl Draft {
    /// Plans a model of this `spec`, with plain weights brought into the format `quantize` if that is asked for.
    ///
    /// # Errors
    /// As [`Blueprint::draw`], but for memory and sources.
    pub fn new(
        spec: Spec,
        gguf: &Gguf,
        context_length: Option<usize>,
        quantize: Option<Target>,
    ) -> Result<Self> {
        let asked_for = context_length.is_some();
        let context_length = context(&spec, context_length)?;
        let (roles, mut plan) = Weights::plan(gguf, &spec)?;
        if let Some(target) = quantize {
            plan.quantize(target);
        }
        let recording = forward::record(&spec, &roles, Vec::new());
        let budget = Budget::cpu(&plan, &recording, PREFILL_CHUNK, spec.vocab);
        Ok(Self { budget, context_length, asked_for, spec, plan, recording })
    }

    /// Settles on a context that fits and reads the rotary divisors.
    ///
    /// # Errors
    /// `out_of_memory`, before anything large is fetched; what the source fails with.
    pub async fn finish(self, gguf: &Gguf, parts: &[Box<dyn Source>]) -> Result<Blueprint> {
        let Self { budget, context_length, asked_for, spec, plan, mut recording } = self;
        let context_length = budget.fit(context_length, asked_for, MEMORY_LIMIT)?;
        for rope in &spec.ropes {
            recording.ropes.push(rope_table(gguf, parts, rope, context_length).await?);
        }
        let parking = Parking {
            tokens: budget.parking(context_length, MEMORY_LIMIT),
            overhead: budget.states_in_tokens(),
        };
        Ok(Blueprint { spec, context_length, plan, recording, threads: 1, tokens_in_flight: 0, parking })
    }
}

impl Network {
    /// Threads that the engine runs on.
    pub fn threads(&self) -> usize {
        match &self.engine {
            AnyEngine::Cpu(engine) => engine.threads(),
            AnyEngine::Naive(_) | AnyEngine::Gpu(_) => 1,
        }
    }

    /// Loads the weights that `gguf` describes from `parts`.
    ///
    /// `on_bytes` is told how many of `gguf.total_bytes` have been taken in.
    ///
    /// # Errors
    /// What reading the spec, the plan and the source fail with; `invalid_request`, `out_of_memory`, `aborted`.
    pub async fn load(
        gguf: &Gguf,
        parts: &[Box<dyn Source>],
        backend: Backend,
        context_length: Option<usize>,
        cancel: &Cancel,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let blueprint = Blueprint::draw(Spec::read(gguf)?, gguf, parts, context_length).await?;
        Self::build(blueprint, gguf, parts, Executor::open(backend).await?, cancel, on_bytes).await
    }

    /// Loads the weights that `blueprint`, drawn from the same `gguf`, asks for. On the heap, as its callers would each have a
    /// copy of the code.
    ///
    /// # Errors
    /// What the source fails with; `out_of_memory`, `aborted`.
    pub fn build<'a>(
        blueprint: Blueprint,
        gguf: &'a Gguf,
        parts: &'a [Box<dyn Source>],
        executor: Executor,
        cancel: &'a Cancel,
        on_bytes: &'a mut dyn FnMut(u64),
    ) -> LocalFuture<'a, Result<Self>> {
        Box::pin(Self::construct(blueprint, gguf, parts, executor, cancel, on_bytes))
    }

    async fn construct(
        blueprint: Blueprint,
        gguf: &Gguf,
        parts: &[Box<dyn Source>],
        executor: Executor,
        cancel: &Cancel,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Self> {
        let Blueprint { spec, context_length, plan, recording, threads, tokens_in_flight, parking } =
            blueprint;
        let can_rewind = recording.can_rewind();
        let mut readout = Readout::new(&recording);
        let mut engine = match executor {
            Executor::Cpu => AnyEngine::Cpu(CpuEngine::new(recording, &plan, threads)?),
            Executor::Gpu(gpu) => {
                let ahead = if can_rewind { tokens_in_flight } else { 0 };
                AnyEngine::Gpu(GpuEngine::new(*gpu, recording, &plan, spec.vocab)?.flying(ahead))
            }
            Executor::Naive => AnyEngine::Naive(NaiveEngine::new(recording, &plan)),
        };
        let mut listener = readout.listening(&mut engine);
        let mut sink = Quantizer::new(&mut listener, gguf, &plan);
        weights::stream(gguf, parts, &plan, &mut sink, cancel, on_bytes).await?;
        Ok(Self { spec, context_length, parking, engine, readout, can_rewind, scratch: Vec::new() })
    }

    /// Runs a token, so that the first request need not wait for uploads and compilers.
    ///
    /// # Errors
    /// What the engine's device fails with, but for its loss: that is mended where the next run meets it.
    pub async fn warm_up(&mut self) -> Result<()> {
        // What is not the device's fault, as logits that are no numbers, is the request's to tell.
        if let Ok(sequence) = self.open(1).await {
            let _ = self.run_to_pick(sequence, &[0], 0, Pick::Likeliest, &[]).await;
            self.close(sequence);
        }
        match self.check_device() {
            Err(error) if error.kind() == ErrorKind::DeviceLost => Ok(()),
            checked => checked,
        }
    }

    /// Caches for a sequence of at most `tokens` tokens.
    ///
    /// # Errors
    /// `out_of_memory`
    pub async fn open(&mut self, tokens: usize) -> Result<SequenceId> {
        self.engine.open(tokens).await
    }

    /// Copies the first `tokens` tokens of `from`, and its recurrent states as they are, into `to`.
    ///
    /// # Errors
    /// What the engine's device fails with.
    pub fn copy(&mut self, from: SequenceId, to: SequenceId, tokens: usize) -> Result<()> {
        self.engine.copy(from, to, tokens)
    }

    /// Frees a sequence's caches.
    pub fn close(&mut self, sequence: SequenceId) {
        self.engine.close(sequence);
    }

    /// Name of the GPU, if one executes.
    pub fn adapter(&self) -> Option<&str> {
        self.engine.adapter().map(|adapter| adapter.name.as_str())
    }

    /// How the GPU's kernels compute, if one executes.
    pub fn tuning(&self) -> Option<Tuning> {
        self.engine.tuning()
    }

    /// Whether the engine's device still works.
    ///
    /// # Errors
    /// What it failed with.
    pub fn check_device(&self) -> Result<()> {
        self.engine.check()
    }

    /// What the last run cost on a GPU.
    pub fn run_cost(&self) -> Option<RunCost> {
        self.engine.run_cost()
    }

    /// Bytes of GPU memory.
    pub fn gpu_bytes(&self) -> usize {
        self.engine.gpu_bytes()
    }

    /// Whether a sequence can be cut back to any earlier position.
    pub fn can_rewind(&self) -> bool {
        self.can_rewind
    }

    /// How many tokens the engine begins with ahead of the one that is waited for.
    pub fn tokens_ahead(&self) -> usize {
        self.engine.tokens_ahead()
    }

    /// Runs `tokens` at `position` and returns the logits from token `first_logits` of them on, `[tokens, vocabulary]`.
    ///
    /// # Errors
    /// `context_overflow`; `invalid_request` for an id outside the vocabulary; `numeric_error`.
    pub async fn run(
        &mut self,
        sequence: SequenceId,
        tokens: &[u32],
        position: usize,
        first_logits: usize,
    ) -> Result<&mut [f32]> {
        self.check(tokens, position)?;
        self.engine.run(Batch { sequence, tokens, position, first_logits }).await?;
        let logits = self.engine.logits();
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(numeric_error(position));
        }
        Ok(logits)
    }

    /// Runs `tokens` at `position` and returns the token to follow them, chosen as `pick` says. The engine may begin with
    /// those after it, which are to be chosen `ahead`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_to_pick(
        &mut self,
        sequence: SequenceId,
        tokens: &[u32],
        position: usize,
        pick: Pick,
        ahead: &[Pick],
    ) -> Result<u32> {
        self.check(tokens, position)?;
        let first_logits = tokens.len().saturating_sub(1);
        let batch = Batch { sequence, tokens, position, first_logits };
        let ahead = &ahead[..ahead.len().min(self.context_length - position - tokens.len())];
        let chosen = self.engine.run_to_pick(batch, pick, ahead, &mut self.scratch).await?;
        chosen.ok_or_else(|| numeric_error(position))
    }

    /// That `tokens` can be run at `position`.
    fn check(&self, tokens: &[u32], position: usize) -> Result<()> {
        if position + tokens.len() > self.context_length {
            bail!(
                ContextOverflow,
                "{} tokens do not fit into a context of {}",
                position + tokens.len(),
                self.context_length
            );
        }
        if let Some(&token) = tokens.iter().find(|&&token| token as usize >= self.spec.vocab) {
            bail!(InvalidRequest, "token id {token} is outside the vocabulary of {}", self.spec.vocab);
        }
        Ok(())
    }

    /// What the tokens of the last run, a piece of a prompt without logits, have become after the final norm: `[tokens, hidden]`.
    ///
    /// # Errors
    /// What the engine's device fails with.
    pub async fn hidden(&mut self) -> Result<Vec<f32>> {
        let mut rows = self.engine.read(self.readout.stream).await?;
        self.readout.norm(&mut rows);
        Ok(rows)
    }
}

fn numeric_error(position: usize) -> Error {
    let message = format!("the model computed a logit that is no finite number at position {position}");
    Error::new(ErrorKind::NumericError, message)
}

fn context(spec: &Spec, wanted: Option<usize>) -> Result<usize> {
    match wanted {
        Some(0) => bail!(InvalidRequest, "contextLength is 0"),
        Some(wanted) if wanted > spec.context_length => {
            bail!(
                InvalidRequest,
                "contextLength is {wanted}, the model was trained for {}",
                spec.context_length
            )
        }
        Some(wanted) => Ok(wanted),
        None => Ok(spec.context_length.min(DEFAULT_CONTEXT)),
    }
}

async fn rope_table(
    gguf: &Gguf,
    parts: &[Box<dyn Source>],
    rope: &RopeSpec,
    context: usize,
) -> Result<RopeTable> {
    let name = match rope.factors {
        RopeFactors::Absent => return Ok(rope.table(None)),
        RopeFactors::Always => "rope_freqs.weight",
        RopeFactors::ByContext { original } if context > original => "rope_factors_long.weight",
        RopeFactors::ByContext { .. } => "rope_factors_short.weight",
    };
    let Some(tensor) = gguf.tensor(name) else { bail!(CorruptFile, "tensor {name} is missing") };
    let Some(part) = parts.get(tensor.part) else {
        bail!(CorruptFile, "tensor {name} lies in a missing file")
    };
    if tensor.elements() < rope.dims / 2 {
        bail!(CorruptFile, "tensor {name} has {} elements, {} expected", tensor.elements(), rope.dims / 2);
    }
    let divisors = weights::load_vector(tensor, part.as_ref()).await?;
    Ok(rope.table(Some(&divisors)))
}
