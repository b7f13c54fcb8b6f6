//! What a model thinks of a given text.

use crate::cancel::Cancel;
use crate::error::{Result, bail};
use crate::network::{Network, PREFILL_CHUNK};
use crate::prefix_cache::PrefixCache;
use crate::task::Pace;

/// Runs a text; `each` is called for every token after the first, with the logits, `[vocabulary]`, that predicted it.
///
/// # Errors
/// `context_overflow`, `aborted`, and what the network fails with; the cache stays usable.
pub async fn predictions(
    network: &mut Network,
    cache: &mut PrefixCache,
    ids: &[u32],
    cancel: &Cancel,
    mut each: impl FnMut(&[f32], u32),
) -> Result<()> {
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
    cache.begin_anew(network).await?;
    // The last token's own prediction is of no interest.
    let given = ids.split_last().map_or(&[][..], |(_, given)| given);
    for (chunk, start) in given.chunks(PREFILL_CHUNK).zip((0..).step_by(PREFILL_CHUNK)) {
        cancel.check()?;
        let logits = cache.active().extend(network, chunk, 0).await?;
        for (logits, next) in logits.chunks_exact(vocab).zip(&ids[start + 1..]) {
            each(logits, *next);
        }
        pace.breathe().await;
    }
    Ok(())
}
