//! The border to JavaScript: converts, calls, converts.
//!
//! Requests, results and events cross as JSON texts, so that one validator, [`crate::request`], sees exactly what
//! the caller wrote. Errors are thrown as `{ code, message, hint? }`.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cache;
mod executor;
#[cfg(feature = "kernel-tests")]
mod kernel_tests;
mod parts;

use std::rc::Rc;

use js_sys::{Function, Object, Promise, Reflect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use self::executor::promise;
use self::parts::{Meter, Openings, reopening};
use crate::cancel::Cancel;
use crate::chat::Conversation;
use crate::error::{Error, Result};
use crate::generate::{Choice, Event, Outcome, Timings};
use crate::model::Model;
use crate::request::{LoadOptions, Request, parse};
use crate::source::requests;
use crate::tokenizer::EncodeOptions;

/// Runs once, when the module is instantiated.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// Version of the crate, which is also the package's.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_string()
}

/// Makes the calling worker one of the engine's threads, for good.
#[wasm_bindgen(js_name = serveAsThread)]
pub fn serve_as_thread() {
    crate::engine::serve();
}

/// A loaded model.
#[wasm_bindgen]
pub struct WasmModel {
    model: Rc<Model>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct TokenizeOptions {
    add_special: bool,
    parse_special: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct CountOptions {
    tools: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct TemplateOptions {
    tools: Option<Value>,
    documents: Option<Value>,
    enable_thinking: Option<bool>,
    add_generation_prompt: bool,
}

impl Default for TemplateOptions {
    fn default() -> Self {
        Self { tools: None, documents: None, enable_thinking: None, add_generation_prompt: true }
    }
}

#[wasm_bindgen]
impl WasmModel {
    /// Loads a model from URLs, blobs or byte arrays, one per file.
    #[wasm_bindgen(unchecked_return_type = "Promise<WasmModel>")]
    pub fn load(
        #[wasm_bindgen(unchecked_param_type = "(string | Blob | Uint8Array)[]")] parts: Vec<JsValue>,
        options: String,
        on_progress: Function,
        signal: AbortSignal,
    ) -> Promise {
        let work = async move {
            let options: LoadOptions = parse(&options)?;
            let meter = Meter::new(Some(on_progress));
            let mut report = |progress| meter.report(progress);
            let sources = Openings { signal: &signal, options: &options, writes: true, meter: &meter };
            let loading = async {
                let sources = sources.open(parts.clone()).await?;
                Model::load(sources, &options, &cancel(&signal), &mut report).await
            };
            let model = meter.ticking(loading).await?;
            Ok(model.recovering(reopening(parts, options)))
        };
        promise(async {
            let model = Rc::new(work.await.map_err(thrown)?);
            Ok(JsValue::from(WasmModel { model }))
        })
    }

    /// What loading would take, from the header or headers alone; resolves to an Estimate JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn estimate(
        #[wasm_bindgen(unchecked_param_type = "(string | Blob | Uint8Array)[]")] parts: Vec<JsValue>,
        options: String,
        signal: AbortSignal,
    ) -> Promise {
        answered(async move {
            let options: LoadOptions = parse(&options)?;
            let meter = Meter::new(None);
            let sources = Openings { signal: &signal, options: &options, writes: false, meter: &meter };
            Model::estimate(&sources.open(parts).await?, &options, &cancel(&signal)).await
        })
    }

    /// EngineInfo JSON.
    pub fn info(&self) -> String {
        text(&self.model.info())
    }

    /// Carries out a request; resolves to a GenerateResult JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn generate(&self, request: String, on_event: Function, signal: AbortSignal) -> Promise {
        let model = Rc::clone(&self.model);
        promise(async move {
            let work = async {
                let request = Request::parse(&request)?;
                let mut report = |event: Event| call(&on_event, &event);
                model.generate(&request, &cancel(&signal), &mut report).await
            };
            let outcome = work.await.map_err(thrown)?;
            Ok(JsValue::from(text(&GenerateResult::new(&model, &outcome))))
        })
    }

    /// Vectors of texts; resolves to an Embeddings JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn embed(&self, params: String, signal: AbortSignal) -> Promise {
        let model = Rc::clone(&self.model);
        answered(async move { model.embed(&parse(&params)?, &cancel(&signal)).await })
    }

    /// Scores a text or ids, given as JSON; resolves to a Score JSON.
    #[wasm_bindgen(unchecked_return_type = "Promise<string>")]
    pub fn score(&self, input: String, signal: AbortSignal) -> Promise {
        let model = Rc::clone(&self.model);
        answered(async move { model.score(&parse(&input)?, &cancel(&signal)).await })
    }

    /// Ids of a text.
    pub fn tokenize(&self, text: &str, options: &str) -> Result<Vec<u32>, JsValue> {
        let tokenize = || {
            let TokenizeOptions { add_special, parse_special } = parse(options)?;
            self.model.tokenizer().encode(text, EncodeOptions { add_special, parse_special })
        };
        tokenize().map_err(thrown)
    }

    /// Ids of a text, each followed by where in the text its token begins and ends, in units of UTF-16.
    #[wasm_bindgen(js_name = tokenizeWithOffsets)]
    pub fn tokenize_with_offsets(&self, text: &str, options: &str) -> Result<Vec<u32>, JsValue> {
        let tokenize = || {
            let TokenizeOptions { add_special, parse_special } = parse(options)?;
            let options = EncodeOptions { add_special, parse_special };
            let tokens = self.model.tokenizer().encode_with_spans(text, options)?;
            let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            let spans = tokens.utf16_spans(text);
            let triples = tokens.ids.iter().zip(spans);
            Ok(triples.flat_map(|(&id, span)| [id, place(span.start), place(span.end)]).collect())
        };
        tokenize().map_err(thrown)
    }

    /// Text of ids.
    pub fn detokenize(&self, ids: &[u32]) -> Result<String, JsValue> {
        self.model.detokenize(ids).map_err(thrown)
    }

    /// Tokens of a text or of messages, given as JSON.
    #[wasm_bindgen(js_name = countTokens)]
    pub fn count_tokens(&self, input: &str, options: &str) -> Result<usize, JsValue> {
        let count = || {
            let CountOptions { tools } = parse(options)?;
            self.model.count_tokens(&parse(input)?, tools.as_ref())
        };
        count().map_err(thrown)
    }

    /// The prompt that messages become.
    #[wasm_bindgen(js_name = applyChatTemplate)]
    pub fn apply_chat_template(&self, messages: &str, options: &str) -> Result<String, JsValue> {
        let apply = || {
            let TemplateOptions { tools, documents, enable_thinking, add_generation_prompt } =
                parse(options)?;
            self.model.apply_chat_template(&Conversation {
                messages: &parse(messages)?,
                tools: tools.as_ref(),
                documents: documents.as_ref(),
                enable_thinking,
                add_generation_prompt,
            })
        };
        apply().map_err(thrown)
    }

    /// EngineStats JSON.
    pub fn stats(&self) -> String {
        let heap_bytes = core::arch::wasm32::memory_size(0) * 65536;
        let cost = self.model.run_cost();
        json!({
            "heapBytes": heap_bytes,
            "gpuBytes": self.model.gpu_bytes(),
            "gpuDispatches": cost.map(|cost| cost.dispatches),
            "gpuObjectsCreated": cost.map(|cost| cost.created),
            "gpuBytesWritten": cost.map(|cost| cost.bytes_written),
            "gpuReadbacks": cost.map(|cost| cost.readbacks),
            "gpuBytesRead": cost.map(|cost| cost.bytes_read),
            "deviceLosses": self.model.device_losses(),
            "cachedTokens": self.model.cached_tokens(),
        })
        .to_string()
    }

    /// Every request that the model's sources have made, as JSON.
    #[wasm_bindgen(js_name = networkRequests)]
    pub fn network_requests(&self) -> String {
        text(&requests())
    }
}

fn cancel(signal: &AbortSignal) -> Cancel {
    let signal = signal.clone();
    Cancel::new(move || signal.aborted())
}

fn call(function: &Function, value: &impl Serialize) {
    // What the callback throws is its own affair: it must not stop the engine half-way.
    let _ = function.call1(&JsValue::UNDEFINED, &JsValue::from(text(value)));
}

/// What `work` gives as JSON, or what it fails with as JavaScript gets it.
fn answered<T: Serialize + 'static>(work: impl Future<Output = Result<T>> + 'static) -> Promise {
    promise(async { Ok(JsValue::from(text(&work.await.map_err(thrown)?))) })
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What `generate` resolves to.
#[derive(Serialize)]
struct GenerateResult<'a> {
    choices: &'a [Choice],
    usage: Value,
    timings: &'a Timings,
    model: String,
}

impl<'a> GenerateResult<'a> {
    fn new(model: &Model, outcome: &'a Outcome) -> Self {
        let Outcome { choices, prompt_tokens, cached_tokens, timings } = outcome;
        let reasoning: usize = choices.iter().map(|choice| choice.reasoning_tokens).sum();
        let usage = json!({
            "prompt_tokens": prompt_tokens,
            "completion_tokens": timings.completion_tokens,
            "total_tokens": prompt_tokens + timings.completion_tokens,
            "prompt_tokens_details": { "cached_tokens": cached_tokens },
            "completion_tokens_details": { "reasoning_tokens": reasoning },
        });
        Self { choices, usage, timings, model: model.info().name }
    }
}

/// An error as JavaScript gets it.
fn thrown(error: Error) -> JsValue {
    let object = Object::new();
    let set = |key: &str, value: &str| {
        let _ = Reflect::set(&object, &key.into(), &value.into());
    };
    set("code", error.kind().code());
    set("message", error.detail());
    if let Some(hint) = error.hint() {
        set("hint", hint);
    }
    object.into()
}
