//! How likely a model finds a given text.

use crate::cancel::Cancel;
use crate::error::{Result, bail};
use crate::network::{Network, PREFILL_CHUNK};
use crate::prefix_cache::PrefixCache;
use crate::task::Pace;

/// Natural logarithms of the probability of each token after the first, given those before it.
///
/// # Errors
/// `context_overflow`, `aborted`, and what the network fails with; the cache stays usable.
pub async fn log_probabilities(
    network: &mut Network,
    cache: &mut PrefixCache,
    ids: &[u32],
    cancel: &Cancel,
) -> Result<Vec<f32>> {
    if ids.len() > network.context_length {
        bail!(
            ContextOverflow,
            "the text has {} tokens, the context holds {}",
            ids.len(),
            network.context_length
        );
    }
    let mut pace = Pace::start();
    let vocab = network.spec.vocab;
    let mut scores = Vec::new();
    cache.begin_anew(network)?;
    // The last token's own prediction is of no interest.
    let given = ids.split_last().map_or(&[][..], |(_, given)| given);
    for (chunk, start) in given.chunks(PREFILL_CHUNK).zip((0..).step_by(PREFILL_CHUNK)) {
        cancel.check()?;
        let logits = cache.active().extend(network, chunk, 0).await?;
        for (logits, next) in logits.chunks_exact(vocab).zip(&ids[start + 1..]) {
            scores.push(log_softmax(logits, *next as usize));
        }
        pace.breathe().await;
    }
    Ok(scores)
}

/// `logits[id] − ln Σ e^logits`
#[allow(clippy::cast_possible_truncation, reason = "summed in f64, returned as f32")]
fn log_softmax(logits: &[f32], id: usize) -> f32 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - max).exp()).sum();
    (f64::from(logits[id] - max) - sum.ln()) as f32
}
