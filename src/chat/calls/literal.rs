//! Calls that are not written in JSON: Python's, Gemma's and tagged ones, read when they are complete.

use serde_json::{Map, Value};

/// A function's name and its arguments.
pub type NamedCall = (String, Map<String, Value>);

/// Calls nested deeper than this are no calls.
const MAX_DEPTH: usize = 64;

/// `[NAME(KEY=VALUE, …), …]`
pub fn python(text: &str) -> Option<Vec<NamedCall>> {
    let mut reader = Reader { rest: text.trim(), quote: None };
    let listed = reader.take("[");
    let mut calls = Vec::new();
    loop {
        let name = reader.word()?.to_owned();
        let arguments = reader.take("(").then(|| reader.pairs("=", ")", 0)).flatten()?;
        calls.push((name, arguments));
        if !reader.take(",") {
            break;
        }
    }
    (listed == reader.take("]") && reader.rest.is_empty()).then_some(calls)
}

/// `call:NAME{KEY:VALUE,…}`, strings between `quote`s.
pub fn braces(text: &str, quote: &'static str) -> Option<Vec<NamedCall>> {
    let mut reader = Reader { rest: text.trim(), quote: Some(quote) };
    let mut calls = Vec::new();
    while !reader.rest.is_empty() {
        let name = reader.take("call:").then(|| reader.word()).flatten()?.to_owned();
        let arguments = reader.take("{").then(|| reader.pairs(":", "}", 0)).flatten()?;
        calls.push((name, arguments));
        reader.take(",");
    }
    (!calls.is_empty()).then_some(calls)
}

/// `<function=NAME>\n<parameter=KEY>\nVALUE\n</parameter>\n…</function>`. `is_text` says of a function's parameter
/// whether its value is text, which is taken as it stands; others are JSON.
pub fn tagged(text: &str, is_text: impl Fn(&str, &str) -> bool) -> Option<Vec<NamedCall>> {
    let mut calls = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, body) = rest.strip_prefix("<function=")?.split_once('>')?;
        let (mut body, after) = body.split_once("</function>")?;
        let mut arguments = Map::new();
        while let Some(parameter) = body.trim_start().strip_prefix("<parameter=") {
            let (key, value) = parameter.split_once('>')?;
            let (value, next) = value.split_once("</parameter>")?;
            let value = value.strip_prefix('\n').unwrap_or(value);
            let value = value.strip_suffix('\n').unwrap_or(value);
            let json = serde_json::from_str(value).ok().filter(|_| !is_text(name, key));
            arguments.insert(key.to_owned(), json.unwrap_or_else(|| value.into()));
            body = next;
        }
        body.trim().is_empty().then_some(())?;
        calls.push((name.to_owned(), arguments));
        rest = after.trim();
    }
    (!calls.is_empty()).then_some(calls)
}

/// Reads literals from the beginning of a text.
struct Reader<'a> {
    rest: &'a str,
    /// What stands on both sides of a string, besides Python's and JSON's quotes.
    quote: Option<&'static str>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A name, which may have dots and dashes.
    fn word(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
        let (word, rest) = text.split_at_checked(text.find(|c| !is_part(c)).unwrap_or(text.len()))?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// `KEY separator VALUE, …` up to `end`, which is taken.
    fn pairs(&mut self, separator: &str, end: &str, depth: usize) -> Option<Map<String, Value>> {
        let mut pairs = Map::new();
        while !self.take(end) {
            let key = match self.string() {
                Some(key) => key,
                None => self.word()?.to_owned(),
            };
            self.take(separator).then_some(())?;
            pairs.insert(key, self.value(depth + 1)?);
            if !self.take(",") {
                return self.take(end).then_some(pairs);
            }
        }
        Some(pairs)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        if let Some(text) = self.string() {
            return Some(text.into());
        }
        if self.take("{") {
            return self.pairs(":", "}", depth).map(Value::Object);
        }
        if let Some(end) =
            [("[", "]"), ("(", ")")].iter().find(|(open, _)| self.take(open)).map(|pair| pair.1)
        {
            let mut items = Vec::new();
            while !self.take(end) {
                items.push(self.value(depth + 1)?);
                if !self.take(",") {
                    return self.take(end).then_some(Value::Array(items));
                }
            }
            return Some(Value::Array(items));
        }
        self.scalar()
    }

    fn scalar(&mut self) -> Option<Value> {
        let text = self.rest.trim_start();
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+');
        let (word, rest) = text.split_at_checked(text.find(|c| !is_part(c)).unwrap_or(text.len()))?;
        self.rest = rest;
        match word {
            "True" | "true" => Some(true.into()),
            "False" | "false" => Some(false.into()),
            "None" | "null" => Some(Value::Null),
            _ => serde_json::from_str::<serde_json::Number>(word).ok().map(Value::Number),
        }
    }

    /// A string in any of the quotes; `None` leaves the text as it is.
    fn string(&mut self) -> Option<String> {
        let text = self.rest.trim_start();
        if let Some(inner) = self.quote.and_then(|quote| text.strip_prefix(quote)) {
            let (string, rest) = inner.split_once(self.quote?)?;
            self.rest = rest;
            return Some(string.to_owned());
        }
        let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let mut string = String::new();
        let mut characters = text.char_indices().skip(1);
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' => string.push(escaped(&mut characters)?),
                c if c == quote => {
                    self.rest = text.get(at + 1..)?;
                    return Some(string);
                }
                c => string.push(c),
            }
        }
        None
    }
}

/// The character that follows a backslash, as Python and JSON mean it.
fn escaped(characters: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    match characters.next()?.1 {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'x' => char::from_u32(hex(characters, 2)?),
        'u' => match hex(characters, 4)? {
            // JSON writes characters beyond the first 65,536 as two halves.
            high @ 0xd800..=0xdbff => {
                let low = (characters.next()?.1 == '\\' && characters.next()?.1 == 'u')
                    .then(|| hex(characters, 4))??;
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + low.checked_sub(0xdc00)?)
            }
            code => char::from_u32(code),
        },
        other => Some(other),
    }
}

fn hex(characters: &mut impl Iterator<Item = (usize, char)>, digits: usize) -> Option<u32> {
    let text: String = characters.take(digits).map(|(_, c)| c).collect();
    u32::from_str_radix(&text, 16).ok()
}
