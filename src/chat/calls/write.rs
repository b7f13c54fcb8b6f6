//! Calls of earlier turns as the model would have written them, for templates that leave them out.

use serde_json::Value;

use super::format::{Body, CallFormat};

/// The text of `calls`, names with arguments; `None` for formats whose templates all write calls themselves.
pub fn write(format: &CallFormat, calls: &[(&str, &Value)]) -> Option<String> {
    let CallFormat { open, close, .. } = format;
    match format.body {
        Body::Objects { arguments, list } => {
            let objects: Vec<String> = calls
                .iter()
                .map(|(name, values)| {
                    format!("{{\"name\": {}, \"{arguments}\": {values}}}", Value::from(*name))
                })
                .collect();
            Some(match list {
                true => format!("{open}[{}]{close}", objects.join(", ")),
                false => objects
                    .iter()
                    .map(|object| format!("{open}\n{object}\n{close}"))
                    .collect::<Vec<_>>()
                    .join("\n"),
            })
        }
        Body::Python => {
            let call = |(name, values): &(&str, &Value)| {
                let pairs = values.as_object().into_iter().flatten();
                let pairs: Vec<String> =
                    pairs.map(|(key, value)| format!("{key}={}", python(value))).collect();
                format!("{name}({})", pairs.join(", "))
            };
            Some(format!("{open}[{}]{close}", calls.iter().map(call).collect::<Vec<_>>().join(", ")))
        }
        Body::Named { .. } | Body::Tagged | Body::Braces { .. } => None,
    }
}

/// A value as Python writes it.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(pairs) => {
            let pairs =
                pairs.iter().map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), python(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
