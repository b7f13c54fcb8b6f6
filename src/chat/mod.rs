//! Conversations as prompts: the model's chat template, and named ones for models that come without.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod fallback;
mod python;
mod strftime;
mod template;

pub use template::{ChatTemplate, TemplateInput};
