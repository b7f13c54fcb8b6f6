//! JSON while it is being written: where a value ends, and what a call's object says so far.

/// Follows the text of one JSON value, character by character.
#[derive(Debug, Clone, Default)]
pub struct JsonScan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    begun: bool,
}

/// What a character is to the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Space before the value.
    Blank,
    /// Part of it.
    Inside,
    /// Its last one.
    Last,
    /// The value, a number or a word, ended before it.
    Beyond,
}

impl JsonScan {
    /// Takes the next character.
    pub fn step(&mut self, c: char) -> Step {
        if self.in_string {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => {
                    self.in_string = false;
                    return if self.depth == 0 { Step::Last } else { Step::Inside };
                }
                _ => {}
            }
            return Step::Inside;
        }
        match c {
            '}' | ']' | ',' if self.depth == 0 => return Step::Beyond,
            c if c.is_whitespace() && self.depth == 0 => {
                return if self.begun { Step::Beyond } else { Step::Blank };
            }
            '"' => self.in_string = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' => {
                self.depth -= 1;
                if self.depth == 0 {
                    return Step::Last;
                }
            }
            _ => {}
        }
        self.begun = true;
        Step::Inside
    }
}

/// The object of one call, as far as it is written.
#[derive(Debug, Clone, Default)]
pub struct CallObject {
    at: At,
    scan: JsonScan,
    key: String,
    value: String,
    name: Option<String>,
    id: Option<String>,
    /// Arguments that came before the name.
    held: Option<String>,
    /// Bytes of `value` that were handed out.
    sent: usize,
    has_arguments: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    Open,
    Key,
    Colon,
    Value,
    Next,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// It goes on.
    More,
    /// It is complete and names a function.
    Complete,
    /// It is none.
    Malformed,
}

/// A piece of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallPart {
    /// A call begins.
    Name {
        /// Of the function.
        name: String,
        /// The model's own id of the call.
        id: Option<String>,
    },
    /// More of its arguments: JSON text.
    Arguments(String),
}

impl CallObject {
    /// Takes the next character; what it tells is added to `parts`.
    pub fn push(&mut self, c: char, parts: &mut Vec<CallPart>) -> Read {
        match (self.at, c) {
            (At::Value, c) => match self.scan.step(c) {
                Step::Blank => {}
                Step::Inside => self.value.push(c),
                Step::Last => {
                    self.value.push(c);
                    return self.value_read(parts);
                }
                Step::Beyond => match self.value_read(parts) {
                    Read::More => return self.push(c, parts),
                    other => return other,
                },
            },
            (At::Key, c) if !self.key.is_empty() || c == '"' => {
                self.key.push(c);
                if self.scan.step(c) == Step::Last {
                    let Ok(key) = serde_json::from_str(&self.key) else { return Read::Malformed };
                    (self.key, self.at) = (key, At::Colon);
                }
            }
            (_, c) if c.is_whitespace() => {}
            (At::Open, '{') => self.at = At::Key,
            (At::Colon, ':') => {
                (self.at, self.scan, self.sent) = (At::Value, JsonScan::default(), 0);
                self.value.clear();
            }
            (At::Next, ',') => {
                (self.at, self.scan) = (At::Key, JsonScan::default());
                self.key.clear();
            }
            (At::Key | At::Next, '}') => return self.complete(parts),
            _ => return Read::Malformed,
        }
        Read::More
    }

    /// Whether a function was named.
    pub fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// Hands out what is there of the arguments.
    pub fn flush(&mut self, parts: &mut Vec<CallPart>) {
        let streams =
            self.at == At::Value && self.is_arguments() && self.name.is_some() && self.value.starts_with('{');
        if let Some(new) = self.value.get(self.sent..).filter(|new| streams && !new.is_empty()) {
            parts.push(CallPart::Arguments(new.to_owned()));
            self.sent = self.value.len();
        }
    }

    fn is_arguments(&self) -> bool {
        matches!(self.key.as_str(), "arguments" | "parameters")
    }

    fn value_read(&mut self, parts: &mut Vec<CallPart>) -> Read {
        self.flush(parts);
        self.at = At::Next;
        let text = || serde_json::from_str::<String>(&self.value);
        match self.key.as_str() {
            "name" => match text() {
                Ok(name) => self.announce(name, parts),
                Err(_) => return Read::Malformed,
            },
            "id" => self.id = text().ok(),
            _ if self.is_arguments() => {
                self.has_arguments = true;
                // Some write the arguments as a text that holds JSON, as the API does.
                let arguments = text().unwrap_or_else(|_| self.value.clone());
                match self.name {
                    None => self.held = Some(arguments),
                    Some(_) if self.sent == 0 => parts.push(CallPart::Arguments(arguments)),
                    Some(_) => {}
                }
            }
            _ => {}
        }
        Read::More
    }

    fn announce(&mut self, name: String, parts: &mut Vec<CallPart>) {
        parts.push(CallPart::Name { name: name.clone(), id: self.id.clone() });
        parts.extend(self.held.take().map(CallPart::Arguments));
        self.name = Some(name);
    }

    fn complete(&mut self, parts: &mut Vec<CallPart>) -> Read {
        if self.name.is_none() {
            return Read::Malformed;
        }
        if !self.has_arguments {
            parts.push(CallPart::Arguments("{}".into()));
        }
        Read::Complete
    }
}
