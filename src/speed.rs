//! How fast an engine will write a model on this machine: a miniature of it, run for a moment. What that takes is the
//! machine's, the browser's and the build's own speed.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use web_time::Instant;

use crate::engine::{AnyEngine, Batch, Engine, Pick};
use crate::error::Result;
use crate::miniature::Miniature;

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
    Patience { longest: Duration::from_millis(60), settled: Duration::from_millis(60) };
/// Tokens are counted for so long at a time: clocks of pages tick slowly, and the fastest round is the undisturbed one.
const ROUND: Duration = Duration::from_millis(20);
/// Layers are measured up to so many bytes of weights: more than caches hold, as with the whole model.
pub const SAMPLE_BYTES: u64 = 64 << 20;
/// Room of the measured sequence.
const CONTEXT: usize = 64;

/// Tokens per second that `engine`, which runs `miniature`, would write of the whole model with little in its context.
///
/// # Errors
/// What the engine fails with.
pub async fn tokens_per_second(
    miniature: &Miniature,
    engine: &mut AnyEngine,
    patience: Patience,
) -> Result<f64> {
    let sequence = engine.open(CONTEXT)?;
    let mut positions = (0..CONTEXT).cycle();
    let (began, mut best_at, mut best) = (Instant::now(), Instant::now(), 0.0);
    while began.elapsed() < patience.longest && best_at.elapsed() < patience.settled {
        let (round, mut tokens) = (Instant::now(), 0.0);
        while round.elapsed() < ROUND {
            let position = positions.next().unwrap_or(0);
            let batch = Batch { sequence, tokens: &[0], position, first_logits: 0 };
            engine.run_to_pick(batch, Pick::Likeliest, &[], &mut Vec::new()).await?;
            tokens += 1.0;
        }
        let rate = tokens / round.elapsed().as_secs_f64();
        if rate > best {
            (best_at, best) = (Instant::now(), rate);
        }
    }
    engine.close(sequence);
    Ok(best * miniature.share)
}
