//! Conversations as prompts: the model's chat template, and named ones for models that come without.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod calls;
pub mod fallback;
mod messages;
mod prompter;
mod python;
mod select;
mod strftime;
mod template;
pub mod tools;

pub use messages::check_messages;
pub use prompter::{Conversation, Prompter};
pub use select::template_of;
pub use template::{ChatTemplate, TemplateInput};
