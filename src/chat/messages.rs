//! Messages as callers write them, checked and brought into the one shape that templates expect.

use serde_json::{Map, Value};

use crate::error::{Result, bail};

/// Roles that conversations have.
const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];

/// Checks `messages`: an array of objects with a known role; contents that are lists of text parts are joined.
///
/// # Errors
/// `invalid_request`, naming the field.
pub fn check_messages(messages: &Value) -> Result<Value> {
    let Some(messages) = messages.as_array() else {
        bail!(InvalidRequest, "messages: an array is expected");
    };
    if messages.is_empty() {
        bail!(InvalidRequest, "messages: at least one message is expected");
    }
    messages.iter().enumerate().map(|(index, message)| check_message(index, message)).collect()
}

fn check_message(index: usize, message: &Value) -> Result<Value> {
    let Some(fields) = message.as_object() else {
        bail!(InvalidRequest, "messages[{index}]: an object with role and content is expected");
    };
    let Some(role) = fields.get("role").and_then(Value::as_str) else {
        bail!(InvalidRequest, "messages[{index}].role: a string is expected");
    };
    if !ROLES.contains(&role) {
        bail!(InvalidRequest, "messages[{index}].role is {role:?}; known are {}", ROLES.join(", "));
    }
    let mut fields: Map<String, Value> = fields.clone();
    if role == "developer" {
        // OpenAI's newer word; templates know the older one.
        fields.insert("role".into(), "system".into());
    }
    check_calls(index, role, &fields)?;
    match fields.get("content") {
        Some(Value::String(_)) => {}
        Some(Value::Array(parts)) => {
            let text = joined(index, parts)?;
            fields.insert("content".into(), text.into());
        }
        // Templates concatenate it.
        None | Some(Value::Null) if fields.contains_key("tool_calls") => {
            fields.insert("content".into(), "".into());
        }
        None | Some(Value::Null) => bail!(InvalidRequest, "messages[{index}].content is missing"),
        Some(_) => {
            bail!(InvalidRequest, "messages[{index}].content: a string or an array of text parts is expected")
        }
    }
    Ok(Value::Object(fields))
}

/// Checks what an assistant called, and what a tool's message answers.
fn check_calls(index: usize, role: &str, fields: &Map<String, Value>) -> Result<()> {
    let is_text = |value: Option<&Value>| value.is_some_and(Value::is_string);
    if role == "tool" && !is_text(fields.get("tool_call_id")) {
        bail!(
            InvalidRequest,
            "messages[{index}].tool_call_id: the id of the call that this message answers is missing"
        );
    }
    let calls = match fields.get("tool_calls") {
        None | Some(Value::Null) => return Ok(()),
        Some(_) if role != "assistant" => {
            bail!(InvalidRequest, "messages[{index}].tool_calls: only assistant messages have them")
        }
        Some(calls) => calls.as_array().filter(|calls| !calls.is_empty()),
    };
    let Some(calls) = calls else {
        bail!(InvalidRequest, "messages[{index}].tool_calls: an array of calls is expected");
    };
    for (at, call) in calls.iter().enumerate() {
        let at = format!("messages[{index}].tool_calls[{at}]");
        let function = call.get("function");
        if !is_text(call.get("id")) {
            bail!(InvalidRequest, "{at}.id: a string is expected");
        }
        if !is_text(function.and_then(|function| function.get("name"))) {
            bail!(InvalidRequest, "{at}.function.name: a string is expected");
        }
        match function.and_then(|function| function.get("arguments")) {
            Some(Value::String(text))
                if serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object()) => {}
            Some(Value::Object(_)) => {}
            _ => bail!(InvalidRequest, "{at}.function.arguments: the text of a JSON object is expected"),
        }
    }
    Ok(())
}

fn joined(index: usize, parts: &[Value]) -> Result<String> {
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
        match part.get("text").and_then(Value::as_str).filter(|_| kind == "text") {
            Some(piece) => text.push_str(piece),
            None => bail!(
                InvalidRequest,
                "messages[{index}].content[{at}] has type {kind:?}; only \"text\" is supported"
            ),
        }
    }
    Ok(text)
}
