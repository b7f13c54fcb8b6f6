//! What the options of a load come to.

use crate::cancel::Cancel;
use crate::error::{Result, bail};
use crate::gguf::Gguf;
use crate::request::{BackendChoice, CacheChoice, LoadOptions};
use crate::spec::Spec;
use crate::trial::{Place, Trial};

/// More threads than any machine lends to a page.
const MAX_THREADS: usize = 256;
/// More of them, and an answer that ends early has kept the GPU busy in vain for long.
const MAX_TOKENS_IN_FLIGHT: usize = 16;
/// The GPU has work while the host reads a token and submits another.
const DEFAULT_TOKENS_IN_FLIGHT: usize = 2;

impl LoadOptions {
    /// Threads of the CPU engine.
    ///
    /// # Errors
    /// `invalid_request`
    pub(super) fn threads(&self) -> Result<usize> {
        match self.threads {
            Some(0) => bail!(InvalidRequest, "threads is 0; at least 1 is needed"),
            threads => Ok(threads.unwrap_or(1).min(MAX_THREADS)),
        }
    }

    /// Tokens that the GPU begins with ahead of the one that is waited for.
    ///
    /// # Errors
    /// `invalid_request`
    pub(super) fn tokens_in_flight(&self) -> Result<usize> {
        match self.tokens_in_flight {
            Some(count) if count > MAX_TOKENS_IN_FLIGHT => {
                bail!(
                    InvalidRequest,
                    "tokensInFlight is {count}; it must lie between 0 and {MAX_TOKENS_IN_FLIGHT}"
                )
            }
            count => Ok(count.unwrap_or(DEFAULT_TOKENS_IN_FLIGHT)),
        }
    }

    /// The engine that is wanted.
    pub(super) fn backend_choice(&self) -> BackendChoice {
        self.backend.unwrap_or(BackendChoice::Auto)
    }

    /// What finds out where a model of this spec is to run.
    ///
    /// # Errors
    /// `invalid_request`
    pub(super) fn trial<'a>(&self, spec: &'a Spec, gguf: &'a Gguf, cancel: &'a Cancel) -> Result<Trial<'a>> {
        let keeps = self.cache != Some(CacheChoice::None);
        let tokens_in_flight = self.tokens_in_flight()?;
        let (quantize, threads) = (self.quantize.map(Into::into), self.threads()?);
        Ok(Trial { spec, gguf, quantize, threads, tokens_in_flight, keeps, cancel })
    }

    /// Where it is to run.
    ///
    /// # Errors
    /// `invalid_request`, `aborted`, and what the engines fail with.
    pub(super) async fn place(&self, spec: &Spec, gguf: &Gguf, cancel: &Cancel) -> Result<Place> {
        let trial = self.trial(spec, gguf, cancel)?;
        match self.backend_choice() {
            BackendChoice::Webgpu => trial.gpu(self.fallback != Some(false)).await,
            BackendChoice::Cpu => Ok(Place::cpu("asked for")),
            BackendChoice::Auto => trial.fastest().await,
        }
    }
}
