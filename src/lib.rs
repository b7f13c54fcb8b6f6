//! Small language models that run inside a browser tab.
pub mod error;
