//! Calls as a grammar: what a model must write once it has begun a call, or if it must call something.
//!
//! In llguidance's dialect of Lark, of which only strings, `<[id]>` for special tokens, `%json` and `suffix` are used.

use std::fmt::Write as _;

use serde_json::Value;

use super::format::{Body, CallFormat};
use crate::chat::tools::{Tool, Tools, is_text};
use crate::error::Result;

/// Writes grammars for one vocabulary.
pub struct Grammar<'a> {
    /// The id of a token that is no text, by its name.
    pub special: &'a dyn Fn(&str) -> Option<u32>,
    /// A JSON Schema as the library can enforce it; the text names it in errors.
    pub lower: &'a dyn Fn(&Value, &str) -> Result<Value>,
}

impl Grammar<'_> {
    /// What calls look like in `format`: behind the text that opens them if they are `opened`, else with it.
    ///
    /// # Errors
    /// `unsupported_schema`, naming function and keyword.
    pub fn write(&self, format: &CallFormat, tools: &Tools, opened: bool) -> Result<String> {
        let mut rules = Rules { grammar: self, text: String::new(), count: 0 };
        let section = rules.section(format, tools)?;
        let open = if format.bare { String::new() } else { self.mark(format.open) };
        let start = match opened {
            true => section,
            false if tools.parallel && !format.bare => {
                let between = if format.close.is_empty() { "" } else { r#""\n"? "# };
                format!("{open} {section} ({between}{open} {section})*")
            }
            false => format!("{open} {section}"),
        };
        Ok(format!("start: {start}\nGAP: /[ \\n]/\n{}", rules.text))
    }

    /// A marker: a special token, or else its text.
    fn mark(&self, text: &str) -> String {
        match (self.special)(text) {
            Some(id) => format!("<[{id}]>"),
            None => quoted(text),
        }
    }
}

/// A text as Lark writes it, which is how JSON does.
fn quoted(text: &str) -> String {
    if text.is_empty() { String::new() } else { Value::from(text).to_string() }
}

/// Rules as they are found to be needed.
struct Rules<'a> {
    grammar: &'a Grammar<'a>,
    text: String,
    count: usize,
}

impl Rules<'_> {
    /// Adds a rule; returns its name.
    fn add(&mut self, attributes: &str, body: &str) -> String {
        self.count += 1;
        let name = format!("r{}", self.count);
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{name}{attributes}: {body}");
        name
    }

    /// Everything behind the opening text.
    fn section(&mut self, format: &CallFormat, tools: &Tools) -> Result<String> {
        let calls = tools.allowed().map(|tool| self.call(format, tool)).collect::<Result<Vec<_>>>()?;
        let call = self.add("", &calls.join(" | "));
        let more =
            |separator: &str| if tools.parallel { format!("({separator} {call})*") } else { String::new() };
        let close = self.grammar.mark(format.close);
        let body = match format.body {
            Body::Objects { list: true, .. } | Body::Python => {
                format!(r#"GAP? "[" {call} {} "]" GAP? {close}"#, more(r#"", ""#))
            }
            Body::Objects { list: false, .. } if format.close.is_empty() => call,
            Body::Objects { list: false, .. } | Body::Tagged => format!("GAP? {call} GAP? {close}"),
            Body::Named { .. } | Body::Braces { .. } => format!("{call} {close}"),
        };
        Ok(self.add("", &body))
    }

    fn call(&mut self, format: &CallFormat, tool: &Tool) -> Result<String> {
        let name = &tool.name;
        Ok(match format.body {
            Body::Objects { arguments, .. } => {
                let open = quoted(&format!("{{\"name\": {}, \"{arguments}\": ", Value::from(name.as_str())));
                format!(r#"{open} {} "}}""#, self.json(&tool.parameters, name)?)
            }
            Body::Named { separator, id } => {
                let id = if id.is_empty() {
                    String::new()
                } else {
                    format!("{} /[a-zA-Z0-9]{{9}}/", self.grammar.mark(id))
                };
                let separator = self.grammar.mark(separator);
                format!("{} {id} {separator} {}", quoted(name), self.json(&tool.parameters, name)?)
            }
            Body::Tagged => {
                let pairs = self.pairs(tool, "", |rules, key, schema, field| {
                    let value = rules.tagged_value(schema, field)?;
                    Ok(format!("{} {value}", quoted(&format!("<parameter={key}>\n"))))
                })?;
                format!(r#"{} {pairs} "</function>""#, quoted(&format!("<function={name}>\n")))
            }
            Body::Python => {
                let pairs = self.pairs(tool, r#"", ""#, |rules, key, schema, field| {
                    Ok(format!("{} {}", quoted(&format!("{key}=")), rules.json(schema, field)?))
                })?;
                format!(r#"{} {pairs} ")""#, quoted(&format!("{name}(")))
            }
            Body::Braces { quote } => {
                let pairs = self.pairs(tool, r#"",""#, |rules, key, schema, field| {
                    Ok(format!(
                        "{} {}",
                        quoted(&format!("{key}:")),
                        rules.braced_value(quote, schema, field)?
                    ))
                })?;
                format!(r#"{} {pairs} "}}""#, quoted(&format!("call:{name}{{")))
            }
        })
    }

    /// The parameters of a function, the required ones first; in the order of the schema otherwise.
    fn pairs(
        &mut self,
        tool: &Tool,
        separator: &str,
        pair: impl Fn(&mut Self, &str, &Value, &str) -> Result<String>,
    ) -> Result<String> {
        let root = &tool.parameters;
        let required: Vec<&str> = root
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let (mut needed, mut optional) = (Vec::new(), Vec::new());
        for (key, schema) in root.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let field = format!("{}: properties.{key}", tool.name);
            let body = pair(self, key, &with_definitions(schema, root), &field)?;
            let rule = self.add("", &body);
            if required.contains(&key.as_str()) { needed.push(rule) } else { optional.push(rule) }
        }
        if !needed.is_empty() || separator.is_empty() {
            let rest = optional.iter().map(|rule| format!("({separator} {rule})?"));
            return Ok([needed.join(&format!(" {separator} ")), rest.collect::<Vec<_>>().join(" ")].join(" "));
        }
        // Without a required one any of them may be the first, and only others have a separator before them.
        let mut tail = String::new();
        for rule in optional.iter().rev() {
            let body =
                if tail.is_empty() { rule.clone() } else { format!("{rule} ({separator} {tail})? | {tail}") };
            tail = self.add("", &body);
        }
        Ok(if tail.is_empty() { tail } else { format!("({tail})?") })
    }

    fn json(&self, schema: &Value, field: &str) -> Result<String> {
        Ok(format!("%json {}", (self.grammar.lower)(schema, &format!("tools: {field}"))?))
    }

    /// A value up to and with the text that ends it.
    fn tagged_value(&mut self, schema: &Value, field: &str) -> Result<String> {
        const END: &str = r#""\n</parameter>\n""#;
        Ok(match choices(schema) {
            Some(texts) => format!("{} {END}", self.add("", &texts)),
            None if is_text(schema) => self.add(&format!("[suffix={END}]"), r"/(.|\n)*/"),
            None => format!("{} {END}", self.json(schema, field)?),
        })
    }

    fn braced_value(&mut self, quote: &'static str, schema: &Value, field: &str) -> Result<String> {
        let mark = self.grammar.mark(quote);
        Ok(match choices(schema) {
            Some(texts) => format!("{mark} {} {mark}", self.add("", &texts)),
            None if !is_text(schema) => self.json(schema, field)?,
            // A special token cannot be part of a text, so it ends it.
            None if (self.grammar.special)(quote).is_some() => format!(r"{mark} /(.|\n)*/ {mark}"),
            None => format!("{mark} {}", self.add(&format!("[suffix={mark}]"), r"/(.|\n)*/")),
        })
    }
}

/// The texts of an enumeration.
fn choices(schema: &Value) -> Option<String> {
    let values = schema.get("enum")?.as_array()?;
    let texts: Option<Vec<String>> = values.iter().map(|value| value.as_str().map(quoted)).collect();
    texts
        .filter(|texts| !texts.is_empty() && !texts.iter().any(String::is_empty))
        .map(|texts| texts.join(" | "))
}

/// A part of a schema, with the definitions that it may refer to.
fn with_definitions(schema: &Value, root: &Value) -> Value {
    let mut schema = schema.clone();
    for key in ["$defs", "definitions"] {
        if let (Some(object), Some(definitions)) = (schema.as_object_mut(), root.get(key)) {
            object.insert(key.into(), definitions.clone());
        }
    }
    schema
}
