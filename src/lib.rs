//! Small language models that run inside a browser tab.
//!
//! Modules are declared in the order in which data travels: bytes → container → spec → weights →
//! recording → engine → session → generation.

pub mod error;
pub mod source;

pub mod gguf;
pub mod kernels;

pub mod tokenizer;

pub mod chat;

pub use error::{Error, ErrorKind, Result};
