//! From a conversation to a model's prompt: the template, and what callers leave to us.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::calls::{self, CallFormat, REASONING};
use super::{ChatTemplate, TemplateInput, check_messages, template_of};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::gguf::Metadata;
use crate::tokenizer::Tokenizer;

/// What a conversation looks like to a model, and how it answers.
pub struct Prompter {
    /// A template that does not compile is an error of the calls that need it, not of loading.
    template: Result<Option<ChatTemplate>>,
    /// How the model writes calls of tools.
    format: Option<&'static CallFormat>,
    /// Ids of the markers that are tokens of their own and no text.
    markers: HashMap<&'static str, u32>,
    bos: String,
    eos: String,
}

/// A conversation as the caller gave it.
#[derive(Debug, Clone, Copy)]
pub struct Conversation<'a> {
    /// An array of messages in OpenAI's shape.
    pub messages: &'a Value,
    /// An array of tools in OpenAI's shape.
    pub tools: Option<&'a Value>,
    /// An array of documents, for templates that take some.
    pub documents: Option<&'a Value>,
    /// For templates that can turn thinking off.
    pub enable_thinking: Option<bool>,
    /// Whether the prompt ends where the assistant's turn begins.
    pub add_generation_prompt: bool,
}

impl Prompter {
    /// Reads a file's template, or guesses one from the vocabulary.
    pub fn new(metadata: &Metadata, tokenizer: &Tokenizer) -> Self {
        let template = template_of(metadata, tokenizer);
        let format = match &template {
            Ok(Some(template)) => calls::of_template(template.source()),
            _ => None,
        };
        let texts = REASONING.iter().flat_map(|format| [format.open, format.close]);
        let texts: Vec<&'static str> =
            texts.chain(format.into_iter().flat_map(CallFormat::markers)).collect();
        let text = |id: Option<u32>| id.map_or("", |id| tokenizer.token_text(id)).to_owned();
        Self {
            template,
            format,
            markers: markers(&texts, tokenizer),
            bos: text(tokenizer.bos()),
            eos: text(tokenizer.eos()),
        }
    }

    /// Whether there is a template that can be used.
    pub fn has_template(&self) -> bool {
        matches!(self.template, Ok(Some(_)))
    }

    /// How the model writes calls, if its template takes tools at all.
    ///
    /// # Errors
    /// `invalid_request`
    pub fn call_format(&self) -> Result<&'static CallFormat> {
        let takes_tools = self
            .template
            .as_ref()
            .is_ok_and(|template| template.as_ref().is_some_and(|t| t.source().contains("tools")));
        match self.format.filter(|_| takes_tools) {
            Some(format) => Ok(format),
            None => Err(Error::new(ErrorKind::InvalidRequest, "tools: the model's chat template takes none")
                .with_hint("Choose a model that was trained to call tools.")),
        }
    }

    /// The id of a marker that is a token of its own and no text.
    pub fn marker(&self, text: &str) -> Option<u32> {
        self.markers.get(text).copied()
    }

    /// Ids of control tokens that tell the parts of an answer from each other; those of calls if there are tools.
    pub fn shown(&self, has_tools: bool) -> Vec<u32> {
        let of_calls =
            |text: &str| self.format.is_some_and(|format| format.markers().any(|marker| marker == text));
        self.markers.iter().filter(|(text, _)| has_tools || !of_calls(text)).map(|(_, &id)| id).collect()
    }

    /// The prompt.
    ///
    /// # Errors
    /// `template_error` if there is no template, or it fails or refuses; `invalid_request` naming what is wrong with
    /// the messages or tools.
    pub fn render(&self, conversation: &Conversation<'_>) -> Result<String> {
        let mut messages = check_messages(conversation.messages)?;
        let Some(template) = self.template.as_ref().map_err(Clone::clone)? else {
            let detail = "the model has no chat template: it is not made for chat";
            return Err(Error::new(ErrorKind::TemplateError, detail)
                .with_hint("Use completions.create, which continues a text."));
        };
        if conversation.documents.is_some_and(|documents| !documents.is_array()) {
            bail!(InvalidRequest, "documents: an array is expected");
        }
        let source = template.source();
        let mut extra = Map::new();
        if let Some(enable_thinking) = conversation.enable_thinking {
            extra.insert("enable_thinking".into(), enable_thinking.into());
        }
        if let Some(tools) = conversation.tools {
            self.call_format()?;
            // Where templates look for tools, besides the variable: SmolLM3's, Phi-4's.
            if source.contains("xml_tools") {
                extra.insert("xml_tools".into(), tools.clone());
            }
            if source.contains("message['tools']") {
                give_to_system(&mut messages, tools);
            }
        }
        if let Some(format) = self.format.filter(|_| !source.contains("tool_calls")) {
            write_calls(&mut messages, format);
        }
        let input = |messages| TemplateInput {
            messages,
            tools: conversation.tools,
            documents: conversation.documents,
            add_generation_prompt: conversation.add_generation_prompt,
            extra: &extra,
            bos_token: &self.bos,
            eos_token: &self.eos,
        };
        // Most templates want arguments as objects, some as the JSON text that the API has.
        let objects = with_objects(&messages);
        template.render(&input(&objects)).or_else(|error| match objects == messages {
            true => Err(error),
            false => template.render(&input(&messages)).map_err(|_| error),
        })
    }

    /// Whether a prompt begins with the BOS token itself; else it is left to the tokenizer.
    pub fn begins_with_bos(&self, prompt: &str) -> bool {
        !self.bos.is_empty() && prompt.starts_with(&self.bos)
    }
}

/// Ids of tokens that are a text of `texts`, or that one of them begins with, and that are no text to a reader.
fn markers(texts: &[&'static str], tokenizer: &Tokenizer) -> HashMap<&'static str, u32> {
    let mut found = HashMap::new();
    for id in 0..u32::try_from(tokenizer.vocab_size()).unwrap_or(0) {
        let spelt = tokenizer.token_text(id);
        if spelt.len() < 3 || tokenizer.is_plain_text(id) {
            continue;
        }
        for text in texts.iter().filter(|text| text.starts_with(spelt)) {
            found.insert(*text, id);
        }
    }
    found
}

/// Puts the tools, as JSON text, into the system message.
fn give_to_system(messages: &mut Value, tools: &Value) {
    let Some(messages) = messages.as_array_mut() else { return };
    if messages.first().is_none_or(|first| first["role"] != "system") {
        messages.insert(0, serde_json::json!({ "role": "system", "content": "" }));
    }
    if let Some(Value::Object(system)) = messages.first_mut() {
        system.insert("tools".into(), tools.to_string().into());
    }
}

/// The messages with the arguments of calls as objects, where they are JSON text.
fn with_objects(messages: &Value) -> Value {
    let mut messages = messages.clone();
    for call in
        messages.as_array_mut().into_iter().flatten().filter_map(|message| message.get_mut("tool_calls"))
    {
        for call in call.as_array_mut().into_iter().flatten() {
            if let Some(arguments) =
                call.get_mut("function").and_then(|function| function.get_mut("arguments"))
            {
                let parsed = arguments.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
                if let Some(parsed) = parsed.filter(Value::is_object) {
                    *arguments = parsed;
                }
            }
        }
    }
    messages
}

/// Writes calls into the text of their messages, for a template that would leave them out.
fn write_calls(messages: &mut Value, format: &CallFormat) {
    let objects = with_objects(messages);
    for (message, object) in
        messages.as_array_mut().into_iter().flatten().zip(objects.as_array().into_iter().flatten())
    {
        let calls = object.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
        let calls: Vec<(&str, &Value)> = calls
            .filter_map(|call| call.get("function"))
            .filter_map(|function| Some((function.get("name")?.as_str()?, function.get("arguments")?)))
            .collect();
        if let (false, Some(text), Value::Object(fields)) =
            (calls.is_empty(), calls::write(format, &calls), message)
        {
            let content = fields.get("content").and_then(Value::as_str).unwrap_or_default();
            let text = if content.is_empty() { text } else { format!("{content}\n{text}") };
            fields.insert("content".into(), text.into());
        }
    }
}
