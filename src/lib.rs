//! Small language models that run inside a browser tab.
//!
//! Modules are declared in the order in which data travels: bytes → container → spec → weights →
//! recording → engine → session → generation.

// What integration tests share, and unit tests borrow, names the crate.
#[cfg(test)]
extern crate self as tabmind;

pub mod cancel;
pub mod error;
pub mod source;

pub mod gguf;
pub mod safetensors;
pub mod spec;
pub mod weights;

pub mod chat;
pub mod tokenizer;

pub mod files;

pub mod forward;
pub mod kernels;
pub mod recording;

pub mod budget;
pub mod encoder;
pub mod engine;
pub mod miniature;
pub mod network;
mod pool;
pub mod prefix_cache;
mod readout;
pub mod recovery;
pub mod session;
pub mod speed;
pub mod trial;

pub mod constraint;
pub mod generate;
pub mod logprobs;
pub mod request;
pub mod sampler;
mod score;
mod stop;
mod task;

pub mod info;
pub mod model;

#[cfg(target_arch = "wasm32")]
pub mod wasm;

/// The kernels' cases, which name this crate as native tests do.
#[cfg(all(target_arch = "wasm32", feature = "kernel-tests"))]
#[allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#[path = "../tests/cases/mod.rs"]
mod kernel_cases;
#[cfg(feature = "kernel-tests")]
extern crate self as tabmind;

pub use error::{Error, ErrorKind, Result};
pub use model::Model;
