//! The cache of models, without a model: what is in it, and what is to go.

use js_sys::Promise;
use serde::Deserialize;
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use super::answered;
use crate::error::{Error, ErrorKind, Result};
use crate::request::parse;
use crate::source::{Cache, hub_url};

/// A question to the cache.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Question {
    List,
    Usage,
    Delete { model: String },
    Verify { model: String },
}

/// Answers a question to the cache, given as JSON; resolves to JSON.
#[wasm_bindgen(unchecked_return_type = "Promise<string>")]
pub fn cache(question: String, signal: AbortSignal) -> Promise {
    answered(async move {
        let question: Question = parse(&question)?;
        // Where there is no cache, nothing is in it.
        let Ok(cache) = Cache::open().await else { return without_cache(&question) };
        match question {
            Question::List => Ok(json!(cache.list().await)),
            Question::Usage => Ok(json!(cache.usage().await)),
            Question::Delete { model } => Ok(json!(cache.delete(&resolved(&model)?).await?)),
            Question::Verify { model } => match cache.verify(&resolved(&model)?, &signal).await? {
                Some(verified) => Ok(json!(verified)),
                None => Err(unknown(&model)),
            },
        }
    })
}

fn without_cache(question: &Question) -> Result<Value> {
    match question {
        Question::List => Ok(json!([])),
        Question::Usage => Ok(json!({ "bytes": 0, "quotaBytes": null, "persisted": false })),
        Question::Delete { .. } => Ok(json!(0)),
        Question::Verify { model } => Err(unknown(model)),
    }
}

fn unknown(model: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("model: {model:?} is not in the cache"))
        .with_hint("cache.list() says what is.")
}

/// The URL of a hub's name; a URL or a hash as it is.
fn resolved(model: &str) -> Result<String> {
    model.strip_prefix("hf:").map_or_else(|| Ok(model.to_string()), |name| hub_url(name, None))
}
