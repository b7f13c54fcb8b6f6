//! The choice of a token, as the GPU makes it.

use proptest::prelude::*;
use tabmind::engine::{Batch, Engine, Pick};
use tabmind::kernels::draw::Draw;
use tabmind::kernels::formats::Format;
use tabmind::kernels::linear::Weight;
use tabmind::kernels::logits::Logits;
use tabmind::kernels::norm::NormParams;
use tabmind::recording::Op;

use super::case::{Case, PLAIN, VOCAB};
use super::{Check, Subject, Verdict};

/// Sums run in another order than the twin's: a draw that falls this close to the edge of a token, or of what top-p
/// keeps, may end on its other side.
const CLOSE: f32 = 1e-5;

/// Logits, and how tokens are chosen from them.
#[derive(Debug)]
pub struct Choice {
    case: Case,
    logits: Vec<f32>,
    picks: Vec<Pick>,
}

/// The likeliest of a vocabulary of any size, with equals among them; and nothing where a logit is no number.
pub fn likeliest() -> impl Strategy<Value = Choice> {
    (1usize..1500, 0usize..6, any::<u64>()).prop_map(|(vocab, special, seed)| {
        let mut choice = Choice::new(vocab, seed, vec![Pick::Likeliest]);
        if let Some(value) = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].get(special) {
            choice.set(seed as usize % vocab, *value);
        }
        choice
    })
}

/// Tokens drawn with every filter, on its own and with others.
pub fn drawn() -> impl Strategy<Value = Choice> {
    let filters = (
        prop_oneof![Just(0usize), 1usize..40],
        prop_oneof![Just(0.0f32), 0.0f32..0.6],
        prop_oneof![Just(1.0f32), 0.0f32..1.0],
    );
    let draw =
        (filters, 0.2f32..3.0, 0.0f32..1.0).prop_map(|((top_k, min_p, top_p), temperature, fraction)| Draw {
            temperature,
            top_k,
            min_p,
            top_p,
            fraction,
        });
    (1usize..1500, prop::collection::vec(draw, 12), any::<u64>()).prop_map(|(vocab, draws, seed)| {
        Choice::new(vocab, seed, draws.into_iter().map(Pick::Drawn).collect())
    })
}

impl Choice {
    /// Logits of `vocab` whole numbers from -2 to 2: many are equal, and no engine rounds.
    fn new(vocab: usize, seed: u64, picks: Vec<Pick>) -> Self {
        let mut case = Case::new(seed);
        case.vocab = vocab;
        let x = case.embed(Format::F32, 4);
        let rows: Vec<f32> = (0..4 * vocab).map(|_| (case.random() * 5.0).floor() - 2.0).collect();
        let output = case.matrix(Format::F32, vocab, 4);
        case.matrices[output.0] = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
        // Small whole numbers, whose norm is 1: sums are exact in any order, and the norm rounds nothing.
        let hidden = [1.0f32, -1.0, 1.0, 1.0];
        case.matrices[0] = hidden.repeat(VOCAB).into_iter().flat_map(f32::to_le_bytes).collect();
        let weight = Weight { matrix: output, bias: None };
        let norm = NormParams { eps: 0.0, ..PLAIN };
        case.recording.push(Op::Logits(Logits { x, norm, weight, scale: 1.0, softcap: None }));
        let logit = |row: &[f32]| row.iter().zip(hidden).map(|(a, b)| a * b).sum();
        Self { case, logits: rows.chunks_exact(4).map(logit).collect(), picks }
    }

    /// Makes a weight, and with it a token's logit, another value.
    fn set(&mut self, token: usize, value: f32) {
        self.case.matrices[1][16 * token..][..4].copy_from_slice(&value.to_le_bytes());
        self.logits[token] = value;
    }

    /// Whether the twin allows this answer; it gives none where a logit is no finite number.
    fn allows(&self, pick: Pick, found: Option<u32>) -> bool {
        let is_finite = self.logits.iter().all(|logit| logit.is_finite());
        let Some(found) = found.filter(|_| is_finite) else { return found.is_none() && !is_finite };
        let id = |pick: Pick| pick.id(&self.logits, &mut Vec::new());
        match pick {
            Pick::Likeliest => found == id(pick),
            Pick::Drawn(draw) => [0.0, -CLOSE, CLOSE].into_iter().any(|off| {
                let top_p = if draw.top_p < 1.0 { draw.top_p + off } else { draw.top_p };
                let id = |off| id(Pick::Drawn(Draw { top_p, fraction: draw.fraction + off, ..draw }));
                (id(-CLOSE)..=id(CLOSE)).contains(&found)
            }),
        }
    }

    async fn compare(&self, broken: bool) -> Result<Vec<f32>, String> {
        let mut gpu = self.case.gpu(broken).await;
        let sequence = self.case.fill(&mut gpu).await;
        for &pick in &self.picks {
            let batch = Batch { sequence, tokens: &[1, 2, 3], position: 0, first_logits: 2 };
            let found = gpu.run_to_pick(batch, pick, &[], &mut Vec::new()).await.unwrap();
            if !self.allows(pick, found) {
                return Err(format!("{found:?} for {pick:?}"));
            }
        }
        Ok(Vec::new())
    }
}

impl Check for Choice {
    fn check(&self, _: Subject, broken: bool) -> Verdict<'_> {
        Box::pin(self.compare(broken))
    }
}
