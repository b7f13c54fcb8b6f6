//! How fast a model will write on this machine: its first layers, with empty weights, run for a moment. Nothing of the
//! file but its header is needed for that, and what it takes is the machine's and the build's own speed.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use web_time::Instant;

use crate::engine::{Batch, CpuEngine, Engine, Pick, WeightSink, matrix_bytes};
use crate::error::Result;
use crate::forward;
use crate::gguf::Gguf;
use crate::recording::{MatrixId, Op, Recording, VectorId};
use crate::spec::Spec;
use crate::weights::{Plan, Target, Weights};

/// No measurement goes on for longer.
const LONGEST: Duration = Duration::from_secs(1);
/// It ends when no round was faster for so long: a browser needs a while to compile the code that runs often.
const SETTLED: Duration = Duration::from_millis(250);
/// Tokens are counted for so long at a time: clocks of pages tick slowly, and the fastest round is the undisturbed one.
const ROUND: Duration = Duration::from_millis(20);
/// Layers are measured up to so many bytes of weights: more than caches hold, as with the whole model.
const SAMPLE_BYTES: u64 = 64 << 20;
/// Room of the measured sequence.
const CONTEXT: usize = 64;

/// Tokens per second that the CPU engine would write with little in its context, on `threads` threads; none for models
/// that do not run without all of their layers.
///
/// # Errors
/// `corrupt_file` where a tensor is missing; `out_of_memory`.
pub async fn tokens_per_second(
    mut spec: Spec,
    gguf: &Gguf,
    quantize: Option<Target>,
    threads: usize,
) -> Result<Option<f64>> {
    if spec.per_layer_input.is_some() {
        return Ok(None);
    }
    let whole = Sample::new(&spec, gguf, quantize)?.bytes_per_token();
    let layers = SAMPLE_BYTES.saturating_mul(spec.layers.len() as u64).div_ceil(whole.max(1));
    spec.layers.truncate(usize::try_from(layers).unwrap_or(usize::MAX).max(1));
    let sample = Sample::new(&spec, gguf, quantize)?;
    let share = ratio(sample.bytes_per_token(), whole);
    Ok(Some(sample.tokens_per_second(threads).await? * share))
}

#[allow(clippy::cast_precision_loss, reason = "no model has 2^53 bytes")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// What is run.
struct Sample {
    plan: Plan,
    recording: Recording,
}

impl Sample {
    fn new(spec: &Spec, gguf: &Gguf, quantize: Option<Target>) -> Result<Self> {
        let (roles, mut plan) = Weights::plan(gguf, spec)?;
        if let Some(target) = quantize {
            plan.quantize(target);
        }
        // Which angles are rotated by makes no difference to the time.
        let ropes = spec.ropes.iter().map(|rope| rope.table(None)).collect();
        Ok(Self { recording: forward::record(spec, &roles, ropes), plan })
    }

    /// Weights that are read for one token: all but the embeddings and the experts that it does not choose.
    fn bytes_per_token(&self) -> u64 {
        self.recording.ops.iter().map(|op| self.bytes_of(op)).sum()
    }

    fn bytes_of(&self, op: &Op) -> u64 {
        match op {
            Op::Linear(op) => op.weights.iter().map(|weight| self.bytes(weight.matrix)).sum(),
            Op::Logits(op) => self.bytes(op.weight.matrix),
            Op::Experts(op) => {
                let rows = self.plan.matrices.get(op.gate.0).map_or(0, |gate| gate.order.len());
                let all: u64 = [op.gate, op.up, op.down].map(|matrix| self.bytes(matrix)).iter().sum();
                all.saturating_mul((op.used * op.width) as u64) / rows.max(1) as u64
            }
            Op::Embed(_) | Op::Norm(_) | Op::Attention(_) => 0,
            Op::ShortConv(_) | Op::DeltaNet(_) | Op::Scale(_) => 0,
        }
    }

    fn bytes(&self, matrix: MatrixId) -> u64 {
        let matrix = self.plan.matrices.get(matrix.0);
        matrix.map_or(0, |matrix| matrix_bytes(matrix.format, matrix.order.len(), matrix.columns))
    }

    async fn tokens_per_second(self, threads: usize) -> Result<f64> {
        let mut engine = CpuEngine::new(self.recording, &self.plan, threads)?;
        for (index, vector) in self.plan.vectors.iter().enumerate() {
            engine.vector(VectorId(index), vec![0.0; vector.order.len()]);
        }
        let sequence = engine.open(CONTEXT)?;
        let mut positions = (0..CONTEXT).cycle();
        let (began, mut best_at, mut best) = (Instant::now(), Instant::now(), 0.0);
        while began.elapsed() < LONGEST && best_at.elapsed() < SETTLED {
            let (round, mut tokens) = (Instant::now(), 0.0);
            while round.elapsed() < ROUND {
                let position = positions.next().unwrap_or(0);
                let batch = Batch { sequence, tokens: &[0], position, first_logits: 0 };
                engine.run_to_pick(batch, Pick::Likeliest, &mut Vec::new()).await?;
                tokens += 1.0;
            }
            let rate = tokens / round.elapsed().as_secs_f64();
            if rate > best {
                (best_at, best) = (Instant::now(), rate);
            }
        }
        Ok(best)
    }
}
