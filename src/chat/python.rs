//! What templates expect of Python: how values print, `json.dumps`, and methods of strings and lists.

use std::fmt::Write;

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Error, ErrorKind, Output, State};
use minijinja_contrib::pycompat;

/// Deepest nesting that is printed.
const MAX_DEPTH: usize = 64;

/// `{{ value }}`, as Python's `str`.
pub(super) fn print(out: &mut Output, _: &mut State, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => out.write_str(text),
        None => out.write_str(&string_of(value)?),
    }
    .map_err(Error::from)
}

/// The filter `string`.
pub(super) fn to_string(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.clone()),
        _ => string_of(value).map(Value::from),
    }
}

fn string_of(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    match value.kind() {
        ValueKind::Undefined => {}
        ValueKind::String => out.push_str(value.as_str().unwrap_or("")),
        _ => repr(value, &mut out, 0)?,
    }
    Ok(out)
}

/// Python's `repr`.
fn repr(value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(ErrorKind::InvalidOperation, "a value is nested too deeply to be printed"));
    }
    match value.kind() {
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => number(value, out),
        ValueKind::String => repr_string(value.as_str().unwrap_or(""), out),
        ValueKind::Seq => {
            out.push('[');
            for (i, item) in value.try_iter()?.enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                repr(&item, out, depth + 1)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (i, key) in value.try_iter()?.enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                repr(&key, out, depth + 1)?;
                out.push_str(": ");
                repr(&value.get_item(&key)?, out, depth + 1)?;
            }
            out.push('}');
        }
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

fn repr_string(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if (c as u32) < 0x20 || c as u32 == 0x7F => {
                let _ = write!(out, "\\x{:02x}", c as u32); // writing to a String cannot fail
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

fn number(value: &Value, out: &mut String) {
    if value.is_integer() {
        out.push_str(&value.to_string());
        return;
    }
    let float = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    let text = format!("{float:?}");
    // Python writes 1e+16 and 1e-05 where Rust writes 1e16 and 1e-5, and goes exponential one power earlier.
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
            let _ = write!(out, "{mantissa}e{sign}{digits:0>2}");
        }
        None => out.push_str(&text),
    }
}

/// The filter `tojson`: Python's `json.dumps` with `ensure_ascii=False`, as Hugging Face sets it.
pub(super) fn to_json(value: &Value, args: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let positional = |index: usize| args.get(index).cloned();
    let ensure_ascii: Option<bool> = match positional(0) {
        // minijinja's own filter takes the indent first; so do templates written for it
        Some(first) if first.kind() == ValueKind::Bool => Some(first.is_true()),
        _ => kwargs.get("ensure_ascii")?,
    };
    let indent = match positional(0).filter(|v| v.kind() == ValueKind::Number).or_else(|| positional(1)) {
        Some(value) => Some(value),
        None => kwargs.get::<Option<Value>>("indent")?,
    };
    let separators = match positional(2) {
        Some(value) => Some(value),
        None => kwargs.get::<Option<Value>>("separators")?,
    };
    let sort_keys = kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    kwargs.assert_all_used()?;
    let indent = match indent {
        None => None,
        Some(v) if v.is_none() => None,
        Some(v) => Some(match v.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(v)?.min(64)),
        }),
    };
    let (item, key) = match separators.filter(|v| !v.is_none()) {
        Some(pair) => (string_of(&pair.get_item_by_index(0)?)?, string_of(&pair.get_item_by_index(1)?)?),
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
    };
    let mut dump =
        Dump { out: String::new(), indent, item, key, sort_keys, ascii: ensure_ascii.unwrap_or(false) };
    dump.value(value, 0)?;
    Ok(Value::from(dump.out))
}

/// `json.dumps` at work.
struct Dump {
    out: String,
    indent: Option<String>,
    item: String,
    key: String,
    sort_keys: bool,
    ascii: bool,
}

impl Dump {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new(ErrorKind::InvalidOperation, "tojson: the value is nested too deeply"));
        }
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => number(value, &mut self.out),
            ValueKind::String => self.string(value.as_str().unwrap_or("")),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.items('[', ']', &items, depth, |dump, item| dump.value(item, depth + 1))?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sort_keys {
                    keys.sort();
                }
                self.items('{', '}', &keys, depth, |dump, key| {
                    dump.string(&string_of(key)?);
                    let separator = dump.key.clone();
                    dump.out.push_str(&separator);
                    dump.value(&value.get_item(key)?, depth + 1)
                })?;
            }
            kind => {
                let message = format!("tojson: a value of type {kind} is not JSON");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        }
        Ok(())
    }

    fn items(
        &mut self,
        open: char,
        close: char,
        items: &[Value],
        depth: usize,
        mut each: impl FnMut(&mut Self, &Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.out.push(open);
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                let separator = self.item.clone();
                self.out.push_str(&separator);
            }
            self.line(depth + 1);
            each(self, item)?;
        }
        if !items.is_empty() {
            self.line(depth);
        }
        self.out.push(close);
        Ok(())
    }

    /// A new line, where there is an indent.
    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.indent {
            self.out.push('\n');
            for _ in 0..depth {
                self.out.push_str(indent);
            }
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                c if (c as u32) < 0x20 || (self.ascii && !c.is_ascii()) || (self.ascii && c == '\u{7f}') => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.out, "\\u{unit:04x}"); // writing to a String cannot fail
                    }
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

/// Methods that values of Python have: pycompat's, and some that it lacks.
pub(super) fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(own) = value.as_str() {
        match (name, args.first().and_then(Value::as_str)) {
            ("removeprefix", Some(prefix)) => {
                return Ok(Value::from(own.strip_prefix(prefix).unwrap_or(own)));
            }
            ("removesuffix", Some(suffix)) => {
                return Ok(Value::from(own.strip_suffix(suffix).unwrap_or(own)));
            }
            ("partition", Some(at)) if !at.is_empty() => {
                let (head, tail) = own.split_once(at).unwrap_or((own, ""));
                let middle = if own.contains(at) { at } else { "" };
                return Ok(list([head, middle, tail]));
            }
            ("rpartition", Some(at)) if !at.is_empty() => {
                let (head, tail) = own.rsplit_once(at).unwrap_or(("", own));
                let middle = if own.contains(at) { at } else { "" };
                return Ok(list([head, middle, tail]));
            }
            ("rsplit", Some(at)) if !at.is_empty() => {
                let limit = args.get(1).and_then(|v| usize::try_from(v.clone()).ok());
                let mut parts: Vec<&str> = match limit {
                    Some(limit) => own.rsplitn(limit.saturating_add(1), at).collect(),
                    None => own.rsplit(at).collect(),
                };
                parts.reverse();
                return Ok(list(parts));
            }
            _ => {}
        }
    }
    if name == "copy" && args.is_empty() && matches!(value.kind(), ValueKind::Map | ValueKind::Seq) {
        return Ok(value.clone()); // values cannot be changed, so a copy is the value
    }
    pycompat::unknown_method_callback(state, value, name, args)
}

fn list<'a>(parts: impl IntoIterator<Item = &'a str>) -> Value {
    Value::from(parts.into_iter().map(Value::from).collect::<Vec<_>>())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use minijinja::value::Serde;

    use super::*;

    #[test]
    fn values_print_as_python_prints_them() {
        let json: serde_json::Value = serde_json::from_str(
            r#"{"b": [1, 1.0, 1e16, 1e-7, true, null], "a": "it's \"so\"\n", "c": "it's"}"#,
        )
        .unwrap();
        let value = Value::from(Serde(json));
        assert_eq!(
            string_of(&value).unwrap(),
            r#"{'b': [1, 1.0, 1e+16, 1e-07, True, None], 'a': 'it\'s "so"\n', 'c': "it's"}"#
        );
    }
}
