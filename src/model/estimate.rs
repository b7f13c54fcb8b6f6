//! What loading a model would take, found out without loading it.

use serde::Serialize;

use super::Model;
use crate::budget::{MEMORY_LIMIT, MemoryBytes};
use crate::cancel::Cancel;
use crate::error::Result;
use crate::files::ModelFiles;
use crate::gguf::Gguf;
use crate::network::{Backend, Draft, Executor};
use crate::request::{BackendChoice, LoadOptions};
use crate::source::Source;
use crate::spec::{EncoderSpec, Spec};
use crate::trial::Place;

/// What loading a model would take. Field names are those of the JavaScript API.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Whether it can be loaded here.
    pub fits: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Bytes that would be fetched: all of the file or files but what is stored, or was given.
    pub download_bytes: u64,
    /// Memory, once loaded.
    pub memory_bytes: MemoryBytes,
    /// Tokens that a sequence would hold.
    pub context_length: usize,
    /// `cpu` or `webgpu`
    pub backend: String,
    /// Whether the bytes are already here.
    pub cached: bool,
    /// Tokens that it would write in a second with little in its context, by what its first layers take here; none where
    /// that was not measured: the model does not fit, or the GPU was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_tokens_per_second: Option<f64>,
}

impl Model {
    /// What loading would take, from the header or headers alone.
    ///
    /// # Errors
    /// As [`Model::load`], but for what only the weights can show; that a model does not fit is no error.
    pub async fn estimate(
        parts: &[Box<dyn Source>],
        options: &LoadOptions,
        cancel: &Cancel,
    ) -> Result<Estimate> {
        let gguf = ModelFiles::read(parts).await?.table;
        if let Some(spec) = EncoderSpec::read(&gguf)? {
            let cached = parts.iter().all(|part| part.is_cached());
            let download_bytes = missing(&gguf, parts);
            return Ok(Estimate { cached, download_bytes, ..Self::estimate_encoder(&spec, &gguf, options)? });
        }
        let quantize = options.quantize.map(Into::into);
        let spec = Spec::read(&gguf)?;
        let draft = Draft::new(spec.clone(), &gguf, options.context_length, quantize)?;
        let fitting = draft.budget.fit(draft.context_length, draft.asked_for, MEMORY_LIMIT);
        let context_length = *fitting.as_ref().unwrap_or(&draft.context_length);
        let trial = options.trial(&spec, &gguf, cancel)?;
        let (backend, expected_tokens_per_second) = match (&fitting, options.backend_choice()) {
            (Ok(_), BackendChoice::Cpu) => (Backend::Cpu, trial.tokens_per_second().await?),
            (Ok(_), BackendChoice::Auto) => match trial.fastest().await? {
                Place { executor: Executor::Cpu, tokens_per_second: None, .. } => {
                    (Backend::Cpu, trial.tokens_per_second().await?)
                }
                place => (place.executor.backend(), place.tokens_per_second),
            },
            (_, BackendChoice::Webgpu) => (Backend::Gpu, None),
            (Err(_), _) => (Backend::Cpu, None),
        };
        Ok(Estimate {
            fits: fitting.is_ok(),
            reason: fitting.err().map(|error| error.detail().to_string()),
            download_bytes: missing(&gguf, parts),
            memory_bytes: draft.budget.with(context_length),
            context_length,
            backend: backend.name().into(),
            cached: parts.iter().all(|part| part.is_cached()),
            expected_tokens_per_second,
        })
    }
}

/// Bytes of a model's files that are not here yet.
fn missing(gguf: &Gguf, parts: &[Box<dyn Source>]) -> u64 {
    gguf.total_bytes.saturating_sub(parts.iter().map(|part| part.bytes_here()).sum())
}
