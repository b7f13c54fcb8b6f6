//! Small language models that run inside a browser tab.
//!
//! Modules are declared in the order in which data travels: bytes → container → spec → weights →
//! recording → engine → session → generation.

pub mod cancel;
pub mod error;
pub mod source;

pub mod gguf;
pub mod spec;
pub mod weights;

pub mod forward;
pub mod kernels;
pub mod recording;

pub mod engine;
pub mod network;

pub mod tokenizer;

pub use error::{Error, ErrorKind, Result};
