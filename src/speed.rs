//! How fast an engine will write a model on this machine: a miniature of it, run for a moment. What that takes is the
//! machine's, the browser's and the build's own speed.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use web_time::Instant;

use crate::cancel::Cancel;
use crate::engine::{AnyEngine, Batch, Engine, Pick, SequenceId};
use crate::error::Result;
use crate::miniature::Miniature;
use crate::source::LocalFuture;
use crate::task::Pace;

/// How long is measured.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// No measurement goes on for longer.
    longest: Duration,
    /// It ends when no round was faster for so long: a browser needs a while to compile the code that runs often.
    settled: Duration,
}

/// For a figure to be shown, or compared with another processor's.
pub const AT_LEISURE: Patience =
    Patience { longest: Duration::from_secs(1), settled: Duration::from_millis(250) };
/// For variants of kernels, of which there are several.
pub const AT_A_GLANCE: Patience =
    Patience { longest: Duration::from_millis(50), settled: Duration::from_millis(50) };
/// Tokens are counted for so long at a time: clocks of pages tick slowly, and the fastest round is the undisturbed one.
const ROUND: Duration = Duration::from_millis(20);
/// A round with tokens in flight begins and ends with none, which must not weigh: it is so many times as long as it waits for
/// the first one. (Firefox looks every 100 ms whether a GPU is done.)
const WAITS: u32 = 8;
/// Layers are measured up to so many bytes of weights: more than caches hold, as with the whole model.
pub const SAMPLE_BYTES: u64 = 64 << 20;
/// Tokens of a prompt, and how many of them follow each other before a GPU is waited for, which would weigh.
const PROMPT: usize = 64;
const PROMPTS: usize = 4;
/// Room of the measured sequence.
const CONTEXT: usize = 256;

/// Tokens per second that `engine`, which runs `miniature`, would write of the whole model with little in its context.
///
/// # Errors
/// What the engine fails with; `aborted`.
pub async fn tokens_per_second(
    miniature: &Miniature,
    engine: &mut AnyEngine,
    patience: Patience,
    cancel: &Cancel,
) -> Result<f64> {
    let sequence = engine.open(CONTEXT).await?;
    // A first token waits for uploads and compilers.
    round(engine, sequence, Duration::ZERO).await?;
    let mut pace = Pace::start();
    let (began, mut best_at, mut best) = (Instant::now(), Instant::now(), 0.0);
    while began.elapsed() < patience.longest && best_at.elapsed() < patience.settled {
        let rate = round(engine, sequence, patience.longest).await?;
        if rate > best {
            (best_at, best) = (Instant::now(), rate);
        }
        // Between rounds, as it would count in one.
        pace.breathe().await;
        cancel.check()?;
    }
    engine.close(sequence);
    Ok(best * miniature.share)
}

/// Tokens of a prompt that `engine` reads in a second.
///
/// # Errors
/// What the engine fails with.
pub async fn prompt_tokens_per_second(engine: &mut AnyEngine) -> Result<f64> {
    let sequence = engine.open(CONTEXT).await?;
    let tokens = [0; PROMPT];
    let batch = |first_logits| Batch { sequence, tokens: &tokens, position: 0, first_logits };
    // A first run waits for compilers.
    engine.run(batch(PROMPT - 1)).await?;
    let began = Instant::now();
    for _ in 1..PROMPTS {
        engine.run(batch(PROMPT)).await?;
    }
    engine.run(batch(PROMPT - 1)).await?;
    engine.close(sequence);
    Ok((PROMPT * PROMPTS) as f64 / began.elapsed().as_secs_f64())
}

/// Tokens per second of one round, with as many in flight as the engine has room for, but none before it begins and none after:
/// a round must not be given what was computed while it did not count. On the heap, as its callers would each have a copy of
/// the code.
fn round(engine: &mut AnyEngine, sequence: SequenceId, longest: Duration) -> LocalFuture<'_, Result<f64>> {
    Box::pin(async move {
        let ahead = vec![Pick::Likeliest; engine.tokens_ahead()];
        let (began, mut length) = (Instant::now(), ROUND.min(longest));
        let (mut token, mut position, mut flying, mut tokens) = (0, 0, 0_usize, 0_u32);
        loop {
            let wanted = if began.elapsed() < length { ahead.len() } else { 0 };
            flying = wanted.max(flying.saturating_sub(1)).min(CONTEXT - 1 - position);
            let batch = Batch { sequence, tokens: &[token], position, first_logits: 0 };
            let ahead = ahead.get(..flying).unwrap_or_default();
            let picked = engine.run_to_pick(batch, Pick::Likeliest, ahead, &mut Vec::new()).await?;
            tokens += 1;
            if flying > 0 && tokens == 1 {
                length = (ROUND + WAITS * began.elapsed()).min(longest);
            }
            if flying == 0 && began.elapsed() >= length {
                return Ok(f64::from(tokens) / began.elapsed().as_secs_f64());
            }
            (token, position) = (picked.unwrap_or(0), (position + 1) % CONTEXT);
        }
    })
}
