//! What a model takes in memory, known from its header alone, and the context that fits beside it.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde::Serialize;

use crate::engine::{cache_bytes_per_token, matrix_bytes, quantizes_cache};
use crate::error::{Error, ErrorKind, Result};
use crate::recording::Recording;
use crate::weights::Plan;

/// What wasm32 can be asked for: 4 GB less what the browser and fragmentation take.
pub const MEMORY_LIMIT: u64 = 3_500_000_000;
/// No context that nobody asked for is made shorter than this to fit.
const LEAST_CONTEXT: usize = 256;
/// What conversations that are kept aside may take: some thousand tokens of a small model.
const PARKING_LIMIT: u64 = 256 << 20;
/// Pieces of the file that are alive at once while it is loaded.
const LOADING_BYTES: u64 = 12 << 20;

/// Bytes of memory, by what they are for. Field names are those of the JavaScript API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryBytes {
    /// The weights, as the engine stores them.
    pub weights: u64,
    /// Keys and values of a full context, and recurrent states.
    pub kv_cache: u64,
    /// Activations of a piece of the prompt, logits, and what loading needs.
    pub scratch: u64,
}

impl MemoryBytes {
    /// All together.
    pub fn total(self) -> u64 {
        self.weights.saturating_add(self.kv_cache).saturating_add(self.scratch)
    }
}

/// What a model takes, whatever its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    weights: u64,
    states: u64,
    scratch: u64,
    kv_per_token: u64,
}

const F32: u64 = 4;

impl Budget {
    /// The CPU engine's, for prompts in pieces of `chunk` tokens and a vocabulary of `vocab`.
    pub fn cpu(plan: &Plan, recording: &Recording, chunk: usize, vocab: usize) -> Self {
        let sum =
            |widths: &mut dyn Iterator<Item = usize>| widths.map(|width| width as u64 * F32).sum::<u64>();
        let matrices =
            plan.matrices.iter().map(|m| matrix_bytes(m.format, m.order.len(), m.columns)).sum::<u64>();
        Self {
            weights: matrices + sum(&mut plan.vectors.iter().map(|vector| vector.order.len())),
            states: sum(&mut recording.states.iter().copied()),
            scratch: sum(&mut recording.buffers.iter().copied()) * chunk as u64
                + vocab as u64 * F32
                + LOADING_BYTES,
            kv_per_token: recording
                .caches
                .iter()
                .map(|cache| cache_bytes_per_token(cache, quantizes_cache(plan)))
                .sum(),
        }
    }

    /// What the model takes with a context of `context` tokens.
    pub fn with(self, context: usize) -> MemoryBytes {
        let kv_cache = self.kv_per_token.saturating_mul(context as u64).saturating_add(self.states);
        MemoryBytes { weights: self.weights, kv_cache, scratch: self.scratch }
    }

    /// Tokens of conversations that can be kept beside one of `context` tokens, in `limit` bytes altogether.
    pub fn parking(self, context: usize, limit: u64) -> usize {
        let free = limit.saturating_sub(self.with(context).total()).min(PARKING_LIMIT);
        usize::try_from(free / self.kv_per_token.max(1)).unwrap_or(usize::MAX)
    }

    /// Tokens whose keys and values take as much as the recurrent states of one conversation.
    pub fn states_in_tokens(self) -> usize {
        usize::try_from(self.states.div_ceil(self.kv_per_token.max(1))).unwrap_or(usize::MAX)
    }

    /// `context`, or a half, a quarter, … of it if nobody asked for it and only that fits into `limit` bytes.
    ///
    /// # Errors
    /// `out_of_memory`, with numbers.
    pub fn fit(self, context: usize, asked_for: bool, limit: u64) -> Result<usize> {
        let mut fitting = context;
        while self.with(fitting).total() > limit && !asked_for && fitting / 2 >= LEAST_CONTEXT {
            fitting /= 2;
        }
        let memory = self.with(fitting);
        if memory.total() <= limit {
            return Ok(fitting);
        }
        let mb = |bytes: u64| bytes.div_ceil(1_000_000);
        let detail = format!(
            "the model needs {} MB of memory ({} MB for weights, {} MB for a context of {fitting} tokens, {} MB to work in); there are at most {} MB",
            mb(memory.total()),
            mb(memory.weights),
            mb(memory.kv_cache),
            mb(memory.scratch),
            mb(limit),
        );
        let hint = if asked_for && self.with(LEAST_CONTEXT).total() <= limit {
            "Load it with a shorter contextLength."
        } else {
            "Choose a smaller model or a smaller quantization."
        };
        Err(Error::new(ErrorKind::OutOfMemory, detail).with_hint(hint))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { weights: 1000, states: 10, scratch: 90, kv_per_token: 1 };

    #[test]
    fn a_default_context_is_halved_until_it_fits() {
        let fit = |limit| BUDGET.fit(4096, false, limit).map_err(|error| error.kind());
        assert_eq!(fit(1100 + 4096), Ok(4096));
        assert_eq!(fit(1100 + 4095), Ok(2048));
        assert_eq!(fit(1100 + 1024), Ok(1024));
        assert_eq!(fit(1100 + 256), Ok(256));
        assert_eq!(fit(1100 + 255), Err(ErrorKind::OutOfMemory));
    }

    #[test]
    fn a_context_that_was_asked_for_is_kept_or_refused() {
        assert_eq!(BUDGET.fit(100, true, 1200).unwrap(), 100);
        assert_eq!(BUDGET.fit(4096, true, 10_000).unwrap(), 4096);
        let error = BUDGET.fit(4096, true, 2000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert!(error.hint().unwrap().contains("contextLength"));
        assert!(error.detail().contains("4096"));
        let hopeless = BUDGET.fit(4096, true, 500).unwrap_err();
        assert!(hopeless.hint().unwrap().contains("smaller model"));
    }

    #[test]
    fn what_is_left_keeps_other_conversations() {
        assert_eq!(BUDGET.parking(100, 1300), 100);
        assert_eq!(BUDGET.parking(100, 1000), 0);
        assert_eq!(BUDGET.parking(100, u64::MAX), PARKING_LIMIT as usize);
        assert_eq!(Budget { kv_per_token: 4, ..BUDGET }.states_in_tokens(), 3);
    }

    #[test]
    fn what_overflows_does_not_fit() {
        let huge = Budget { kv_per_token: u64::MAX / 2, ..BUDGET };
        assert_eq!(huge.fit(usize::MAX, true, MEMORY_LIMIT).unwrap_err().kind(), ErrorKind::OutOfMemory);
    }
}
