//! The GPU's kernels against the CPU's, on a miniature with the model's own shapes and formats. It compiles most of what
//! the model will need, too.

use super::variants::Rates;
use super::{engine, released};
use crate::cancel::Cancel;
use crate::engine::{AnyEngine, Batch, CpuEngine, Engine, Gpu, Pick, Tiles, Tuning};
use crate::error::{ErrorKind, Result};
use crate::kernels::draw::Draw;
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

/// Tokens behind which some are chosen, and how.
const CHOOSING: usize = 5;
const CHOICES: [Pick; 3] = [
    Pick::Likeliest,
    Pick::Drawn(Draw { temperature: 0.8, top_k: 40, min_p: 0.0, top_p: 1.0, fraction: 0.37 }),
    Pick::Drawn(Draw { temperature: 1.2, top_k: 0, min_p: 0.01, top_p: 0.9, fraction: 0.81 }),
];
/// Sums run in another order than the CPU's, and a draw that falls close to a token's edge may end on its other side.
const CLOSE: f32 = 0.01;

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
    /// Raised by the caller.
    pub cancel: &'a Cancel,
}

/// A GPU under test. It is given the miniature's weights once.
pub struct SelfTest<'m> {
    miniature: &'m Miniature,
    expected: Answers,
    /// Tokens of the whole model that are begun with ahead of the one that is waited for.
    tokens_in_flight: usize,
    /// One or none of the two: a device that refused a kernel keeps its error, and is let go.
    gpu: Option<Gpu>,
    engine: Option<AnyEngine>,
    /// Whether tokens are chosen rightly, which is so for all variants or none.
    chooses: bool,
}

impl<'m> SelfTest<'m> {
    /// Of `gpu`, whose answers are to be those `expected` of `miniature`.
    pub fn new(gpu: Gpu, miniature: &'m Miniature, expected: Answers, tokens_in_flight: usize) -> Self {
        Self { miniature, expected, tokens_in_flight, gpu: Some(gpu), engine: None, chooses: false }
    }

    /// Compares a variant, and measures it if it is right and that is wanted.
    ///
    /// # Errors
    /// What the engine fails with, but for a kernel that the driver refuses: that is a result. `aborted`.
    pub async fn variant(&mut self, tuning: Tuning, timing: Option<Timing<'_>>) -> Result<Verdict> {
        match self.compare(tuning, timing).await {
            Err(error) if error.kind() == ErrorKind::SelfTestFailed => {
                self.engine = None;
                Ok(Err(error.detail().to_string()))
            }
            verdict => verdict,
        }
    }

    /// The GPU without the miniature, to compute as `tuning` says.
    ///
    /// # Errors
    /// `webgpu_unavailable`
    pub async fn finish(self, tuning: Option<Tuning>) -> Result<Gpu> {
        let mut gpu = match (self.engine, self.gpu) {
            (Some(engine), _) => released(engine)?,
            (None, Some(gpu)) => gpu,
            (None, None) => Gpu::open().await?,
        };
        gpu.tune(tuning.unwrap_or(gpu.tuning()));
        Ok(gpu)
    }

    async fn compare(&mut self, tuning: Tuning, timing: Option<Timing<'_>>) -> Result<Verdict> {
        let engine = match &mut self.engine {
            Some(engine) => {
                engine.retune(tuning)?;
                engine
            }
            none => {
                let mut gpu = match self.gpu.take() {
                    Some(gpu) => gpu,
                    None => Gpu::open().await?,
                };
                gpu.tune(tuning);
                none.insert(engine(gpu, self.miniature, self.tokens_in_flight)?)
            }
        };
        let found = answers(engine).await?;
        if let Some(fault) = fault(self.miniature, tuning, &found, &self.expected) {
            return Ok(Err(fault));
        }
        if !self.chooses {
            if let Some(fault) = wrong_choice(engine).await? {
                return Ok(Err(fault));
            }
            self.chooses = true;
        }
        match timing {
            Some(timing) => Ok(Ok(rates(self.miniature, engine, timing).await?)),
            None => Ok(Ok(Rates::default())),
        }
    }
}

/// What is wrong with the tokens that the GPU chooses, by its own logits.
async fn wrong_choice(engine: &mut AnyEngine) -> Result<Option<String>> {
    let ids = ids(CHOOSING);
    let logits = fresh(engine, &ids, None).await?.0;
    for pick in CHOICES {
        let chosen = fresh(engine, &ids, Some(pick)).await?.1;
        let id = |off: f32| match pick {
            Pick::Likeliest => pick.id(&logits, &mut Vec::new()),
            Pick::Drawn(draw) => Draw { fraction: draw.fraction + off, ..draw }.id(&logits, &mut Vec::new()),
        };
        if !chosen.is_some_and(|chosen| (id(-CLOSE)..=id(CLOSE)).contains(&chosen)) {
            return Ok(Some(format!("{chosen:?} was chosen, not {}, by {pick:?}", id(0.0))));
        }
    }
    Ok(None)
}

/// What a sequence of its own makes of a few tokens: logits of the last one, or the token to follow it.
async fn fresh(engine: &mut AnyEngine, ids: &[u32], pick: Option<Pick>) -> Result<(Vec<f32>, Option<u32>)> {
    let sequence = engine.open(CONTEXT).await?;
    let batch = Batch { sequence, tokens: ids, position: 0, first_logits: ids.len() - 1 };
    let made = match pick {
        Some(pick) => (Vec::new(), engine.run_to_pick(batch, pick, &[], &mut Vec::new()).await?),
        None => {
            engine.run(batch).await?;
            (engine.logits().to_vec(), None)
        }
    };
    engine.close(sequence);
    Ok(made)
}

/// Some tokens' ids: every vocabulary has so many.
fn ids(tokens: usize) -> Vec<u32> {
    (1..).step_by(7).map(|id| id % 250).take(tokens).collect()
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

async fn answers(engine: &mut AnyEngine) -> Result<Answers> {
    let sequence = engine.open(CONTEXT).await?;
    let mut answers = Vec::new();
    for (tokens, position) in RUNS {
        let ids = ids(tokens);
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
