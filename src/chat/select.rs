//! Which template a model is spoken to in.

use super::{ChatTemplate, fallback};
use crate::error::Result;
use crate::gguf::Metadata;
use crate::tokenizer::Tokenizer;

/// The file's own template, else the named one that its special tokens were made for; none for base models.
///
/// # Errors
/// `template_error` if the file's template is none.
pub fn template_of(metadata: &Metadata, tokenizer: &Tokenizer) -> Result<Option<ChatTemplate>> {
    if let Some(source) = metadata.str("tokenizer.chat_template") {
        return ChatTemplate::new(source).map(Some);
    }
    let has_special = |text: &str| tokenizer.token_id(text).is_some_and(|id| tokenizer.is_control(id));
    fallback::guess(has_special).map(|fallback| ChatTemplate::new(fallback.template)).transpose()
}
