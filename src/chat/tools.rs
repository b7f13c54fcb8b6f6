//! Tools as callers describe them, checked, and which of them must be called.

use serde_json::{Map, Value, json};

use crate::error::{Result, bail};

/// More tools than any prompt can hold.
const MAX_TOOLS: usize = 128;
/// Longest name of a function, as in OpenAI's API.
const MAX_NAME: usize = 64;

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name, unique.
    pub name: String,
    /// The JSON Schema of its arguments, an object.
    pub parameters: Value,
}

/// What the model may call.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tools {
    /// The functions.
    pub functions: Vec<Tool>,
    /// The same as the caller gave them, for the template.
    pub given: Value,
    /// What it must call.
    pub choice: ToolChoice,
    /// Whether it may call several in one turn.
    pub parallel: bool,
}

/// What must be called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ToolChoice {
    /// What the model likes.
    #[default]
    Auto,
    /// Nothing: calls are plain text.
    None,
    /// Something.
    Required,
    /// This function.
    Named(String),
}

impl Tools {
    /// Reads the fields `tools`, `tool_choice` and `parallel_tool_calls` of a request; `None` without tools.
    ///
    /// # Errors
    /// `invalid_request`, naming the field.
    pub fn read(
        tools: Option<&Value>,
        choice: Option<&Value>,
        parallel: Option<bool>,
    ) -> Result<Option<Self>> {
        let Some(given) = tools.filter(|tools| !tools.as_array().is_some_and(Vec::is_empty)) else {
            return match choice.filter(|choice| *choice != "none" && *choice != "auto") {
                Some(_) => bail!(InvalidRequest, "tool_choice asks for a call, but there are no tools"),
                None => Ok(None),
            };
        };
        let functions = read_functions(given)?;
        let choice = read_choice(choice, &functions)?;
        Ok(Some(Self { functions, given: given.clone(), choice, parallel: parallel.unwrap_or(true) }))
    }

    /// The functions that may be called.
    pub fn allowed(&self) -> impl Iterator<Item = &Tool> {
        self.functions.iter().filter(|tool| match &self.choice {
            ToolChoice::Named(name) => tool.name == *name,
            ToolChoice::Auto | ToolChoice::Required => true,
            ToolChoice::None => false,
        })
    }

    /// Whether a parameter of a function is a text.
    pub fn is_text(&self, name: &str, key: &str) -> bool {
        let schema = self.functions.iter().find(|tool| tool.name == name).map(|tool| &tool.parameters);
        schema.and_then(|schema| schema.get("properties")?.get(key)).is_some_and(is_text)
    }
}

/// Whether a schema is one of texts.
pub fn is_text(schema: &Value) -> bool {
    let texts = |values: &Value| values.as_array().is_some_and(|values| values.iter().all(Value::is_string));
    match schema.get("type") {
        Some(kind) => kind == "string",
        None => schema.get("enum").is_some_and(texts) || schema.get("const").is_some_and(Value::is_string),
    }
}

fn read_functions(given: &Value) -> Result<Vec<Tool>> {
    let Some(list) = given.as_array() else { bail!(InvalidRequest, "tools: an array is expected") };
    if list.len() > MAX_TOOLS {
        bail!(InvalidRequest, "tools holds {} functions; {MAX_TOOLS} are allowed", list.len());
    }
    let mut functions: Vec<Tool> = Vec::new();
    for (index, tool) in list.iter().enumerate() {
        let tool = read_function(index, tool)?;
        if let Some(first) = functions.iter().position(|other| other.name == tool.name) {
            bail!(
                InvalidRequest,
                "tools[{index}].function.name is {:?}, and so is that of tools[{first}]: names must differ",
                tool.name
            );
        }
        functions.push(tool);
    }
    Ok(functions)
}

fn read_function(index: usize, tool: &Value) -> Result<Tool> {
    let at = format!("tools[{index}]");
    let known = |fields: &Map<String, Value>, names: &[&str], at: &str| match fields
        .keys()
        .find(|key| !names.contains(&key.as_str()))
    {
        Some(key) => bail!(InvalidRequest, "{at}.{key}: unknown field"),
        None => Ok(()),
    };
    let Some(fields) = tool.as_object() else { bail!(InvalidRequest, "{at}: an object is expected") };
    known(fields, &["type", "function"], &at)?;
    if fields.get("type").and_then(Value::as_str) != Some("function") {
        bail!(InvalidRequest, "{at}.type: only \"function\" is known");
    }
    let Some(function) = fields.get("function").and_then(Value::as_object) else {
        bail!(InvalidRequest, "{at}.function: an object with name and parameters is expected");
    };
    let at = format!("{at}.function");
    known(function, &["name", "description", "parameters", "strict"], &at)?;
    let Some(name) = function.get("name").and_then(Value::as_str) else {
        bail!(InvalidRequest, "{at}.name: a string is expected");
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_name) {
        bail!(
            InvalidRequest,
            "{at}.name is {name:?}; 1 to {MAX_NAME} letters, digits, _, - and . are allowed"
        );
    }
    if function.get("description").is_some_and(|text| !text.is_string()) {
        bail!(InvalidRequest, "{at}.description: a string is expected");
    }
    let parameters = match function.get("parameters") {
        None | Some(Value::Null) => {
            json!({ "type": "object", "properties": {}, "additionalProperties": false })
        }
        Some(schema) if schema.get("type").is_some_and(|kind| kind == "object") => schema.clone(),
        Some(_) => bail!(InvalidRequest, "{at}.parameters: a JSON Schema with type \"object\" is expected"),
    };
    Ok(Tool { name: name.to_owned(), parameters })
}

fn read_choice(choice: Option<&Value>, functions: &[Tool]) -> Result<ToolChoice> {
    let name = match choice {
        None | Some(Value::Null) => return Ok(ToolChoice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => return Ok(ToolChoice::Auto),
            "none" => return Ok(ToolChoice::None),
            "required" => return Ok(ToolChoice::Required),
            other => bail!(
                InvalidRequest,
                "tool_choice is {other:?}; auto, none, required or a function is expected"
            ),
        },
        Some(named) => {
            named.get("function").and_then(|function| function.get("name")).and_then(Value::as_str)
        }
    };
    match name {
        Some(name) if functions.iter().any(|tool| tool.name == name) => {
            Ok(ToolChoice::Named(name.to_owned()))
        }
        Some(name) => {
            bail!(InvalidRequest, "tool_choice.function.name is {name:?}, which is none of the tools")
        }
        None => bail!(InvalidRequest, "tool_choice: a word or {{ type, function: {{ name }} }} is expected"),
    }
}
