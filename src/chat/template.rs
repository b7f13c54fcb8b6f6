//! A model's own Jinja template, rendered as Hugging Face's `apply_chat_template` renders it.
//!
//! Templates come with model files: they run on limited fuel, and see nothing but what they are given.

use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{
    AutoEscape, Environment, Error as JinjaError, ErrorKind as JinjaErrorKind, UndefinedBehavior,
};
use serde_json::{Map, Value as Json};
use web_time::{SystemTime, UNIX_EPOCH};

use super::python;
use super::strftime::strftime;
use crate::error::{Error, ErrorKind, Result};

/// What one rendering may use: an instruction costs 1, and so do 64 bytes of any string or list, so this also
/// bounds memory, at 256 MB. A conversation of a thousand messages needs a tenth of it.
const FUEL: u64 = 4_000_000;
/// Bytes of template: the largest known ones have 30 KB.
const MAX_SOURCE: usize = 1 << 20;

const NAME: &str = "chat";

/// What a template sees.
#[derive(Debug, Clone, Copy)]
pub struct TemplateInput<'a> {
    /// An array of messages, each with `role` and `content`.
    pub messages: &'a Json,
    /// An array of tools in OpenAI's shape; `none` to the template where absent.
    pub tools: Option<&'a Json>,
    /// An array of documents; `none` to the template where absent.
    pub documents: Option<&'a Json>,
    /// Whether the prompt ends where the assistant's turn begins.
    pub add_generation_prompt: bool,
    /// Further variables, as `enable_thinking`.
    pub extra: &'a Map<String, Json>,
    /// The BOS token's text; empty where there is none.
    pub bos_token: &'a str,
    /// The EOS token's text; empty where there is none.
    pub eos_token: &'a str,
}

/// A compiled chat template.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    env: Environment<'static>,
    source: String,
}

/// The message that a template gave to `raise_exception`.
#[derive(Debug)]
struct Raised(String);

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

impl ChatTemplate {
    /// Compiles `source`. `strftime_now` tells the time in UTC: the time zone of a page is not known here.
    ///
    /// # Errors
    /// `template_error` with the line if it is not a template.
    pub fn new(source: &str) -> Result<Self> {
        Self::with_clock(source, || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0))
        })
    }

    /// As [`new`](Self::new), with the clock that `strftime_now` reads: seconds since 1970, in local time.
    ///
    /// # Errors
    /// `template_error` with the line if it is not a template.
    pub fn with_clock(source: &str, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Result<Self> {
        if source.len() > MAX_SOURCE {
            let detail = format!("the chat template has {} bytes, more than {MAX_SOURCE}", source.len());
            return Err(Error::new(ErrorKind::TemplateError, detail));
        }
        let mut env = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        env.set_syntax(syntax.map_err(|e| template_error(&e))?);
        env.set_undefined_behavior(UndefinedBehavior::Lenient);
        env.set_auto_escape_callback(|_| AutoEscape::None);
        env.set_fuel(Some(FUEL));
        // Macros that call themselves: the stack of a wasm module is 1 MiB.
        env.set_recursion_limit(64);
        env.set_formatter(python::print);
        env.set_unknown_method_callback(python::method);
        env.add_filter("tojson", python::to_json);
        env.add_filter("string", python::to_string);
        env.add_function("raise_exception", |message: String| -> Result<Value, JinjaError> {
            Err(JinjaError::new(JinjaErrorKind::InvalidOperation, "raise_exception")
                .with_source(Raised(message)))
        });
        let clock = Arc::new(clock);
        env.add_function("strftime_now", move |format: &str| strftime(format, clock()));
        env.add_template_owned(NAME, without_generation_tags(source)).map_err(|e| template_error(&e))?;
        Ok(Self { env, source: source.to_owned() })
    }

    /// The template as it was given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The prompt.
    ///
    /// # Errors
    /// `template_error`: with the template's own words where it refuses the messages, else with what failed and
    /// where; also where it does not come to an end.
    pub fn render(&self, input: &TemplateInput<'_>) -> Result<String> {
        let template = self.env.get_template(NAME).map_err(|e| template_error(&e))?;
        let given = |value: Option<&Json>| value.map_or_else(|| Value::from(()), |v| Value::from(Serde(v)));
        let mut variables: Vec<(&str, Value)> =
            input.extra.iter().map(|(name, value)| (name.as_str(), Value::from(Serde(value)))).collect();
        variables.extend([
            ("messages", Value::from(Serde(input.messages))),
            ("tools", given(input.tools)),
            ("documents", given(input.documents)),
            ("add_generation_prompt", Value::from(input.add_generation_prompt)),
            ("bos_token", Value::from(input.bos_token)),
            ("eos_token", Value::from(input.eos_token)),
        ]);
        template.render(Value::from_pairs(variables)).map_err(|e| template_error(&e))
    }
}

fn template_error(error: &JinjaError) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut innermost = error.to_string();
    while let Some(inner) = cause {
        if let Some(Raised(message)) = inner.downcast_ref() {
            return Error::new(ErrorKind::TemplateError, message.clone());
        }
        innermost = inner.to_string();
        cause = inner.source();
    }
    if error.kind() == JinjaErrorKind::OutOfFuel {
        let detail = "the chat template did not come to an end within its limit";
        return Error::new(ErrorKind::TemplateError, detail);
    }
    let line = error.line().map(|line| format!(" (line {line} of the template)")).unwrap_or_default();
    let innermost = innermost.replace(&format!(" (in {NAME}:{})", error.line().unwrap_or(0)), "");
    Error::new(ErrorKind::TemplateError, format!("the chat template failed: {innermost}{line}"))
}

/// `{% generation %}` marks, for training, what the assistant wrote; a block that is always taken prints the same.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let (tag, after) = match tag.find("%}") {
            Some(end) => tag.split_at(end + 2),
            None => (tag, ""),
        };
        match tag.trim_matches(['{', '}', '%', '-', '+']).trim() {
            "generation" => out.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => out.push_str(&tag.replace("endgeneration", "endif")),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
