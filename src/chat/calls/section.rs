//! One section of calls: from the text that opens it to the text that closes it.

use serde_json::{Map, Value};

use super::format::{Body, CallFormat};
use super::literal;
use super::scan::{CallObject, CallPart, JsonScan, Read, Step};
use crate::chat::tools::Tools;

/// Calls as they are being written, behind the text that opened them.
pub struct Section<'a> {
    format: &'static CallFormat,
    tools: &'a Tools,
    state: State,
    /// Text that has been read and led to no call yet: if it never does, it is plain text after all.
    raw: String,
    has_calls: bool,
}

enum State {
    /// Between the objects of a list.
    Between,
    Object(Box<CallObject>),
    /// Waits for a name to end.
    Head,
    /// The arguments after a name.
    Value(JsonScan, String),
    /// Waits for the whole text.
    Whole,
    /// After the last call, before `close`.
    Close,
}

/// What became of a section.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// More text is needed.
    More,
    /// It ended; what follows is left in the text.
    Closed,
    /// It is none: this is plain text.
    Text(String),
}

impl<'a> Section<'a> {
    /// A section in this format; `opened` is the text that opened it.
    pub fn new(format: &'static CallFormat, tools: &'a Tools, opened: &str) -> Self {
        Self { format, tools, state: Self::start(format), raw: opened.to_owned(), has_calls: false }
    }

    fn start(format: &CallFormat) -> State {
        match format.body {
            Body::Objects { .. } => State::Between,
            Body::Named { .. } => State::Head,
            Body::Tagged | Body::Python | Body::Braces { .. } => State::Whole,
        }
    }

    /// Takes text from the front of `pending`; calls are added to `parts`.
    pub fn push(&mut self, pending: &mut String, parts: &mut Vec<CallPart>) -> End {
        match self.state {
            State::Between | State::Object(_) => self.objects(pending, parts),
            State::Head | State::Value(..) | State::Close => self.named(pending, parts),
            State::Whole => match pending.find(self.format.close) {
                Some(at) => {
                    let text: String = pending.drain(..at + self.format.close.len()).collect();
                    let whole = text.get(..at).unwrap_or_default().to_owned();
                    self.raw.push_str(&text);
                    self.whole(&whole, parts)
                }
                None => End::More,
            },
        }
    }

    /// Nothing follows: what is there counts.
    pub fn finish(&mut self, pending: &mut String, parts: &mut Vec<CallPart>) -> End {
        let text = std::mem::take(pending);
        self.raw.push_str(&text);
        match self.state {
            State::Whole => self.whole(&text, parts),
            _ if self.has_calls => End::Closed,
            _ => End::Text(std::mem::take(&mut self.raw)),
        }
    }

    fn text(&mut self, pending: &mut String, taken: usize) -> End {
        self.raw.extend(pending.drain(..taken));
        if self.has_calls { End::Closed } else { End::Text(std::mem::take(&mut self.raw)) }
    }

    fn objects(&mut self, pending: &mut String, parts: &mut Vec<CallPart>) -> End {
        let mut taken = 0;
        while let Some(rest) = pending.get(taken..).filter(|rest| !rest.is_empty()) {
            if let State::Between = self.state {
                if !self.format.close.is_empty() && rest.starts_with(self.format.close) {
                    taken += self.format.close.len();
                    return self.text(pending, taken);
                }
                if self.format.close.starts_with(rest) {
                    break; // perhaps the beginning of `close`
                }
            }
            let Some(c) = rest.chars().next() else { break };
            match &mut self.state {
                State::Object(object) => {
                    taken += c.len_utf8();
                    let read = object.push(c, parts);
                    self.has_calls |= object.is_named();
                    match read {
                        Read::More => {}
                        Read::Complete => self.state = State::Between,
                        Read::Malformed => return self.text(pending, taken),
                    }
                }
                _ if c == '{' => self.state = State::Object(Box::default()),
                _ if c.is_whitespace() || matches!(c, '[' | ']' | ',' | ';') => taken += c.len_utf8(),
                // Without a text that closes it a section ends where something else begins.
                _ => return self.text(pending, taken),
            }
        }
        if let State::Object(object) = &mut self.state {
            object.flush(parts);
        }
        self.raw.extend(pending.drain(..taken));
        End::More
    }

    fn named(&mut self, pending: &mut String, parts: &mut Vec<CallPart>) -> End {
        let Body::Named { separator, id: id_mark } = self.format.body else { return End::More };
        if let State::Head = self.state {
            let Some(at) = pending.find(separator) else { return End::More };
            let head: String = pending.drain(..at + separator.len()).collect();
            self.raw.push_str(&head);
            let head = head.get(..at).unwrap_or_default();
            let (name, id) = match head.split_once(id_mark).filter(|_| !id_mark.is_empty()) {
                Some((name, id)) => (name, Some(id.trim().to_owned())),
                None => (head, None),
            };
            self.has_calls = true;
            parts.push(CallPart::Name { name: name.trim().to_owned(), id });
            self.state = State::Value(JsonScan::default(), String::new());
        }
        if let State::Value(scan, arguments) = &mut self.state {
            let mut taken = 0;
            let mut ended = false;
            for c in pending.chars() {
                let step = scan.step(c);
                if step != Step::Beyond {
                    taken += c.len_utf8();
                }
                if matches!(step, Step::Inside | Step::Last) {
                    arguments.push(c);
                }
                ended = matches!(step, Step::Last | Step::Beyond);
                if ended {
                    break;
                }
            }
            pending.drain(..taken);
            let new = std::mem::take(arguments);
            if !new.is_empty() {
                parts.push(CallPart::Arguments(new));
            }
            if !ended {
                return End::More;
            }
            self.state = State::Close;
        }
        let close = self.format.close;
        let rest = pending.trim_start();
        if !rest.starts_with(close) && close.starts_with(rest) {
            return End::More;
        }
        if let Some(rest) = rest.strip_prefix(close).filter(|_| !close.is_empty()) {
            *pending = rest.to_owned();
        }
        End::Closed
    }

    /// Reads a text that is complete.
    fn whole(&mut self, text: &str, parts: &mut Vec<CallPart>) -> End {
        let calls = match self.format.body {
            Body::Python => literal::python(text),
            Body::Braces { quote } => literal::braces(text, quote),
            _ => literal::tagged(text, |name, key| self.tools.is_text(name, key)),
        };
        let Some(calls) = calls else { return End::Text(std::mem::take(&mut self.raw)) };
        for (name, arguments) in calls {
            parts.push(CallPart::Name { name, id: None });
            parts.push(CallPart::Arguments(json(arguments)));
        }
        End::Closed
    }
}

fn json(arguments: Map<String, Value>) -> String {
    Value::Object(arguments).to_string()
}
