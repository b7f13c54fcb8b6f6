//! From a request to a job for the generator.

use serde_json::Value;

use super::{Decoder, Model};
use crate::cancel::Cancel;
use crate::chat::Conversation;
use crate::chat::calls::{CallFormat, Grammar};
use crate::chat::tools::{ToolChoice, Tools};
use crate::constraint::{ConstraintSource, ConstraintTimings};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::generate::{Constraints, Event, Generator, Job, Kind, Outcome};
use crate::request::{ChatParams, Common, Prompt, Request};
use crate::tokenizer::EncodeOptions;

/// How calls are written, and what can be called.
type Calls = Option<(&'static CallFormat, Tools)>;

impl Model {
    /// Carries out a request, after those made before it.
    ///
    /// # Errors
    /// `invalid_request`, `unsupported_schema`, `context_overflow`, `template_error`, `aborted`, `numeric_error`. The
    /// model stays usable.
    pub async fn generate(
        &self,
        request: &Request,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Outcome> {
        let common = request.common(self.info.borrow().vocab_size)?;
        let calls = self.calls(request)?;
        let (constraints, compiled) = self.constraints(&common, &calls)?;
        let text = match request {
            Request::Chat(params) => self.chat_text(params, &calls)?,
            Request::Completion(_) => String::new(),
        };
        let prompt = self.prompt(request, &text)?;
        let shown = self.prompter.shown(calls.is_some());
        let kind = match request {
            Request::Chat(_) => {
                let calls = calls.as_ref().filter(|(_, tools)| tools.choice != ToolChoice::None);
                Kind::Chat {
                    prompt: &text,
                    calls: calls.map(|(format, tools)| (*format, tools)),
                    shown: &shown,
                }
            }
            Request::Completion(params) => Kind::Completion { echo: params.echo == Some(true) },
        };
        let job = Job { prompt: &prompt, common: &common, kind, constraints: &constraints };
        let mut runner = self.runner.lock().await;
        cancel.check()?;
        let Decoder { network, cache, recovery } = runner.decoder()?;
        let recovery = recovery.as_mut();
        let tokenizer = &self.tokenizer;
        Generator { network, cache, recovery, tokenizer, cancel, on_event }.run(&job, compiled).await
    }

    fn calls(&self, request: &Request) -> Result<Calls> {
        let Request::Chat(params) = request else { return Ok(None) };
        let tools =
            Tools::read(params.tools.as_ref(), params.tool_choice.as_ref(), params.parallel_tool_calls)?;
        tools.map(|tools| Ok((self.prompter.call_format()?, tools))).transpose()
    }

    /// Compiles what the answers must look like, before anything is generated.
    fn constraints(
        &self,
        common: &Common,
        calls: &Calls,
    ) -> Result<(Constraints, Option<ConstraintTimings>)> {
        let mut constraints = Constraints { parallel: true, ..Constraints::default() };
        if let Some(demand) = &common.constraint {
            constraints.whole = Some(self.compiler.compile(&demand.source, demand.field)?);
        }
        if let Some((format, tools)) = calls.as_ref().filter(|(_, tools)| tools.choice != ToolChoice::None) {
            if constraints.whole.is_some() {
                bail!(
                    InvalidRequest,
                    "response_format and tools cannot both say what the answer is; leave one out, or set tool_choice to \"none\""
                );
            }
            let grammar = Grammar {
                special: &|text| self.prompter.marker(text),
                lower: &|schema, field| self.compiler.lower(schema, field),
            };
            let opened = tools.choice == ToolChoice::Auto;
            let source = ConstraintSource::Lark(grammar.write(format, tools, opened)?);
            let constraint = Some(self.compiler.compile(&source, "tools")?);
            if opened {
                constraints.calls = constraint
            } else {
                constraints.whole = constraint
            }
            constraints.parallel = tools.parallel;
        }
        let mut compiled = None;
        for constraint in [&constraints.whole, &constraints.calls].into_iter().flatten() {
            compiled.get_or_insert_with(ConstraintTimings::default).add(&constraint.timings());
        }
        Ok((constraints, compiled))
    }

    fn chat_text(&self, params: &ChatParams, calls: &Calls) -> Result<String> {
        // With "none" the model does not learn of the tools at all, as it could only name them in vain.
        let tools = calls.as_ref().filter(|(_, tools)| tools.choice != ToolChoice::None);
        self.prompter.render(&Conversation {
            messages: &params.messages,
            tools: tools.map(|(_, tools)| &tools.given),
            documents: params.documents.as_ref(),
            enable_thinking: params.enable_thinking,
            add_generation_prompt: true,
        })
    }

    /// The prompt's tokens, checked against vocabulary and context.
    fn prompt(&self, request: &Request, chat: &str) -> Result<Vec<u32>> {
        let ids = match request {
            Request::Chat(_) => self.chat_ids(chat)?,
            Request::Completion(params) => match &params.prompt {
                Prompt::Text(text) => {
                    self.tokenizer.encode(text, EncodeOptions { add_special: true, parse_special: true })?
                }
                Prompt::Ids(ids) => ids.clone(),
            },
        };
        self.check_ids("prompt", &ids)?;
        if ids.is_empty() {
            bail!(InvalidRequest, "prompt is empty: it has no tokens");
        }
        if ids.len() >= self.context_length {
            let detail = format!(
                "the prompt has {} tokens, the context holds {} with at least one for the answer",
                ids.len(),
                self.context_length
            );
            return Err(Error::new(ErrorKind::ContextOverflow, detail)
                .with_hint("Shorten the prompt, or load the model with a larger contextLength."));
        }
        Ok(ids)
    }

    /// Renders messages as the model's chat template wants them.
    ///
    /// # Errors
    /// `template_error` if there is no template, or it fails or refuses; `invalid_request` naming what is wrong with
    /// the messages or tools.
    pub fn apply_chat_template(&self, conversation: &Conversation<'_>) -> Result<String> {
        Tools::read(conversation.tools, None, None)?;
        self.prompter.render(conversation)
    }

    /// Tokens of a rendered conversation. Templates write the BOS token themselves, or leave it to us.
    fn chat_ids(&self, text: &str) -> Result<Vec<u32>> {
        let add_special = self.tokenizer.adds_bos() && !self.prompter.begins_with_bos(text);
        self.tokenizer.encode(text, EncodeOptions { add_special, parse_special: true })
    }

    /// Tokens of a text, or of messages with everything that the template adds, tools among it.
    ///
    /// # Errors
    /// As [`Model::apply_chat_template`].
    pub fn count_tokens(&self, input: &Value, tools: Option<&Value>) -> Result<usize> {
        match input {
            Value::String(_) if tools.is_some() => {
                bail!(InvalidRequest, "tools belong to messages, and the input is a text")
            }
            Value::String(text) => Ok(self.tokenizer.encode(text, EncodeOptions::default())?.len()),
            messages => {
                let text = self.apply_chat_template(&Conversation {
                    messages,
                    tools,
                    documents: None,
                    enable_thinking: None,
                    add_generation_prompt: true,
                })?;
                Ok(self.chat_ids(&text)?.len())
            }
        }
    }
}
