//! The GPU's kernels against the CPU's, on a miniature with the model's own shapes and formats. It compiles most of what
//! the model will need, too.

use super::variants::Rates;
use super::{engine, released};
use crate::cancel::Cancel;
use crate::engine::{AnyEngine, Batch, CpuEngine, Engine, Gpu, Tiles, Tuning};
use crate::error::{ErrorKind, Result};
use crate::miniature::Miniature;
use crate::speed::{AT_A_GLANCE, prompt_tokens_per_second, tokens_per_second};

/// Weights that are read for a token: a layer or a few.
pub const BYTES: u64 = 2 << 20;
/// Tokens and position of what is run: every way in which products and attention are computed.
const RUNS: [(usize, usize); 4] = [(12, 0), (3, 12), (1, 15), (1, 700)];
/// Room of the sequence.
const CONTEXT: usize = 768;
/// By how much logits may differ, as vectors, relative to their length: where weights are plain by what another order of
/// sums makes, else by more, as the CPU rounds activations to eight bits, which may send a token to another expert.
const ALLOWED: f32 = 2e-3;
const ALLOWED_IF_ROUNDED: f32 = 0.3;
/// Where plain weights of 16 bits meet tokens in half precision.
const ALLOWED_IF_HALVED: f32 = 2e-2;

/// Logits of the last token of every run.
pub type Answers = Vec<Vec<f32>>;

/// What the CPU makes of a miniature.
///
/// # Errors
/// `out_of_memory`
pub async fn reference(miniature: &Miniature) -> Result<Answers> {
    let engine = CpuEngine::new(miniature.recording.clone(), &miniature.plan, 1)?;
    let mut engine = AnyEngine::Cpu(engine);
    miniature.fill(&mut engine)?;
    answers(&mut engine).await
}

/// How fast it is, or what is wrong.
pub type Verdict = std::result::Result<Rates, String>;

/// What is to be measured of a GPU that is right.
#[derive(Clone, Copy)]
pub struct Timing<'a> {
    /// Single tokens.
    pub decode: bool,
    /// Many at once.
    pub prefill: bool,
    /// Tokens of the whole model that are begun with ahead of the one that is waited for.
    pub tokens_in_flight: usize,
    /// Raised by the caller.
    pub cancel: &'a Cancel,
}

/// Compares the GPU's answers with those `expected`, measures it if so wanted, and gives it back.
///
/// # Errors
/// What the engine fails with, but for a kernel that the driver refuses: that is a result. `aborted`.
pub async fn compare(
    gpu: Gpu,
    miniature: &Miniature,
    expected: &Answers,
    timing: Option<Timing<'_>>,
) -> Result<(Gpu, Verdict)> {
    let tuning = gpu.tuning();
    let tokens_in_flight = timing.map_or(0, |timing| timing.tokens_in_flight);
    let (found, mut engine) = match run(gpu, miniature, tokens_in_flight).await {
        Err(error) if error.kind() == ErrorKind::SelfTestFailed => {
            // That device keeps its error.
            let mut gpu = Gpu::open().await?;
            gpu.tune(tuning);
            return Ok((gpu, Err(error.detail().to_string())));
        }
        found => found?,
    };
    let verdict = match (fault(miniature, tuning, &found, expected), timing) {
        (Some(fault), _) => Err(fault),
        (None, Some(timing)) => Ok(rates(miniature, &mut engine, timing).await?),
        (None, None) => Ok(Rates::default()),
    };
    Ok((released(engine)?, verdict))
}

async fn rates(miniature: &Miniature, engine: &mut AnyEngine, timing: Timing<'_>) -> Result<Rates> {
    let Timing { decode, prefill, cancel, .. } = timing;
    let mut rates = Rates::default();
    if decode {
        rates.decode = Some(tokens_per_second(miniature, engine, AT_A_GLANCE, cancel).await?);
    }
    if prefill {
        rates.prefill = Some(prompt_tokens_per_second(engine).await? * miniature.share);
    }
    Ok(rates)
}

/// What is wrong with the answers `found`.
fn fault(miniature: &Miniature, tuning: Tuning, found: &Answers, expected: &Answers) -> Option<String> {
    let is_plain = miniature.plan.matrices.iter().all(|matrix| matrix.format.block_len() == 1);
    let allowed = match tuning.tiles {
        _ if !is_plain => ALLOWED_IF_ROUNDED,
        Tiles::Half => ALLOWED_IF_HALVED,
        Tiles::Full | Tiles::Packed => ALLOWED,
    };
    RUNS.iter().zip(found.iter().zip(expected)).find_map(|((tokens, position), (found, expected))| {
        let off = difference(found, expected);
        (off.is_nan() || off > allowed).then(|| {
            format!("logits of {tokens} tokens at position {position} are off by {off:.2} of their length")
        })
    })
}

async fn run(gpu: Gpu, miniature: &Miniature, tokens_in_flight: usize) -> Result<(Answers, AnyEngine)> {
    let mut engine = engine(gpu, miniature, tokens_in_flight)?;
    let found = answers(&mut engine).await?;
    Ok((found, engine))
}

async fn answers(engine: &mut AnyEngine) -> Result<Answers> {
    let sequence = engine.open(CONTEXT).await?;
    let mut answers = Vec::new();
    for (tokens, position) in RUNS {
        let ids: Vec<u32> = (1..).step_by(7).map(|id| id % 250).take(tokens).collect();
        let batch = Batch { sequence, tokens: &ids, position, first_logits: tokens - 1 };
        engine.run(batch).await?;
        answers.push(engine.logits().to_vec());
    }
    engine.close(sequence);
    Ok(answers)
}

fn difference(found: &[f32], expected: &[f32]) -> f32 {
    let length = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
    let off = length(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    off / length(&mut expected.iter().copied()).max(f32::MIN_POSITIVE)
}
