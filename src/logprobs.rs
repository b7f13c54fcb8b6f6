//! How likely the model found a token, before anything that a caller asked for changed its mind.

use serde::Serialize;

use crate::tokenizer::Tokenizer;

/// A token with its probability and those of the likeliest, in the shape of OpenAI's chat API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenLogprob {
    /// What it is and how likely.
    #[serde(flatten)]
    pub chosen: Likelihood,
    /// The likeliest tokens at its place, in descending order.
    pub top_logprobs: Vec<Likelihood>,
}

/// A token with its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Likelihood {
    /// Its text; U+FFFD stands for bytes that are no whole character.
    pub token: String,
    /// The same as bytes.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability; `None` for the first token of a text, which nothing precedes.
    pub logprob: Option<f32>,
}

impl TokenLogprob {
    /// Of `id` and the `top` likeliest, by the model's own logits, `[vocabulary]`.
    pub fn new(logits: &[f32], id: u32, top: usize, tokenizer: &Tokenizer) -> Self {
        let normaliser = log_sum(logits);
        let at = |id: u32| logits.get(id as usize).map(|logit| logit - normaliser);
        let top_logprobs =
            likeliest(logits, top).into_iter().map(|id| Likelihood::new(id, at(id), tokenizer));
        Self { chosen: Likelihood::new(id, at(id), tokenizer), top_logprobs: top_logprobs.collect() }
    }

    /// Of the first token of a text.
    pub fn first(id: u32, tokenizer: &Tokenizer) -> Self {
        Self { chosen: Likelihood::new(id, None, tokenizer), top_logprobs: Vec::new() }
    }
}

impl Likelihood {
    fn new(id: u32, logprob: Option<f32>, tokenizer: &Tokenizer) -> Self {
        let bytes = tokenizer.token_bytes(id).to_vec();
        Self { token: String::from_utf8_lossy(&bytes).into_owned(), bytes, logprob }
    }
}

/// `ln Σ e^logits`
#[allow(clippy::cast_possible_truncation, reason = "summed in f64, returned as f32")]
pub fn log_sum(logits: &[f32]) -> f32 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - max).exp()).sum();
    (f64::from(max) + sum.ln()) as f32
}

/// The ids of the `count` largest logits, the largest first; of equals the first.
fn likeliest(logits: &[f32], count: usize) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..).take(logits.len()).collect();
    let logit = |id: &u32| logits.get(*id as usize).copied().unwrap_or(f32::NEG_INFINITY);
    let order = |a: &u32, b: &u32| logit(b).total_cmp(&logit(a)).then(a.cmp(b));
    if count > 0 && count < ids.len() {
        ids.select_nth_unstable_by(count - 1, order);
    }
    ids.truncate(count);
    ids.sort_unstable_by(order);
    ids
}
