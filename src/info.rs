//! What a loaded model is, for a person who looks at it.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;

use crate::engine::BUILD;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::network::{Backend, Network};
use crate::source::{HashingSource, Source};
use crate::spec::EncoderSpec;

/// What the model is and how it runs. Field names are those of the JavaScript API.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// `general.architecture`
    pub architecture: String,
    /// `general.name`, or the architecture where the file has no name.
    pub name: String,
    /// As `Q4_K_M`: the file's own word, else the format of most bytes.
    pub quantization: String,
    /// Number of weights.
    pub parameters: u64,
    /// Tokens that a sequence can hold.
    pub context_length: usize,
    /// Tokens that the model was trained for.
    pub trained_context_length: usize,
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// `cpu` or `webgpu`
    pub backend: String,
    /// Why that one.
    pub backend_reason: String,
    /// Name of the GPU.
    pub adapter: Option<String>,
    /// CPU threads.
    pub threads: usize,
    /// Which wasm build runs.
    pub build: String,
    /// `general.license`
    pub license: Option<String>,
    /// Size of the file or files.
    pub size_bytes: u64,
    /// The file's SHA-256, where it is known: it was asked for, or the file is in the cache.
    pub sha256: Option<String>,
    /// Whether all of it came from the cache.
    pub cached: bool,
    /// What the caller should know of, in sentences: why the model is not kept, or that it has changed.
    pub notes: Vec<String>,
    /// Whether chat completions work.
    pub has_chat_template: bool,
}

impl Info {
    pub(crate) fn new(
        gguf: &Gguf,
        network: &Network,
        backend: Backend,
        reason: &str,
        has_chat_template: bool,
    ) -> Self {
        let mut info = Self::of_files(gguf, network.spec.family.name);
        info.context_length = network.context_length;
        info.trained_context_length = network.spec.context_length;
        info.vocab_size = network.spec.vocab;
        info.note_engine(network, backend, reason);
        info.has_chat_template = has_chat_template;
        info
    }

    /// Says what runs the model now, and why that.
    pub(crate) fn note_engine(&mut self, network: &Network, backend: Backend, reason: &str) {
        self.backend = backend.name().into();
        self.backend_reason = reason.to_string();
        self.adapter = network.adapter().map(str::to_string);
        self.threads = network.threads();
    }

    /// Of an encoder, which runs on one thread, in f32.
    pub(crate) fn of_encoder(gguf: &Gguf, spec: &EncoderSpec) -> Self {
        let mut info = Self::of_files(gguf, gguf.metadata.str("general.architecture").unwrap_or_default());
        info.context_length = spec.context_length;
        info.trained_context_length = spec.context_length;
        info.vocab_size = spec.vocab;
        info.backend_reason = "encoders run on the CPU".into();
        info
    }

    /// What the files say of themselves; as yet of no context, and on one thread of the CPU.
    fn of_files(gguf: &Gguf, architecture: &str) -> Self {
        let text = |key: &str| gguf.metadata.str(key).map(str::to_string);
        Self {
            architecture: architecture.to_string(),
            name: text("general.name").unwrap_or_else(|| architecture.to_string()),
            quantization: quantization(gguf),
            parameters: gguf.tensors.iter().map(|tensor| tensor.elements() as u64).sum(),
            context_length: 0,
            trained_context_length: 0,
            vocab_size: 0,
            backend: "cpu".into(),
            backend_reason: String::new(),
            adapter: None,
            threads: 1,
            build: BUILD.into(),
            license: text("general.license"),
            size_bytes: gguf.total_bytes,
            sha256: None,
            cached: false,
            notes: Vec::new(),
            has_chat_template: false,
        }
    }

    /// Adds what is known of the files once they have been read to their ends.
    ///
    /// # Errors
    /// `hash_mismatch`, and what the source fails with.
    pub(crate) async fn note_files(&mut self, hashes: &[Rc<HashingSource>], cached: bool) -> Result<()> {
        for source in hashes {
            self.sha256 = source.finish().await?.filter(|_| hashes.len() == 1);
            self.notes.extend(source.notes());
        }
        self.cached = cached;
        Ok(())
    }
}

/// Names of `general.file_type`: llama.cpp's `llama_ftype`.
const FILE_TYPES: &[(u64, &str)] = &[
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (32, "BF16"),
];

fn quantization(gguf: &Gguf) -> String {
    let file_type = gguf.metadata.u64("general.file_type");
    if let Some((_, name)) = FILE_TYPES.iter().find(|(number, _)| Some(*number) == file_type) {
        return (*name).to_string();
    }
    let mut bytes = BTreeMap::new();
    for tensor in &gguf.tensors {
        *bytes.entry(tensor.format).or_insert(0) += tensor.bytes;
    }
    bytes
        .into_iter()
        .max_by_key(|(_, bytes)| *bytes)
        .map_or("none".into(), |(format, _)| format!("{format:?}"))
}
