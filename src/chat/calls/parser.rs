//! An answer taken apart while it streams. However the text is cut into pieces, the same comes out.

use super::format::{CallFormat, REASONING, ReasoningFormat};
use super::scan::CallPart;
use super::section::{End, Section};
use crate::chat::tools::Tools;
use crate::stop::overlap;

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// What the answer says.
    Content(String),
    /// What the model thought on the way.
    Reasoning(String),
    /// A call begins, or has more arguments.
    Call(CallPart),
}

/// Takes one answer apart.
pub struct AnswerParser<'a> {
    /// How calls are written, and what can be called, if anything can.
    calls: Option<(&'static CallFormat, &'a Tools)>,
    state: State<'a>,
    /// Text that may become something else when more follows.
    pending: String,
    /// White space around reasoning and calls belongs to neither.
    strips: bool,
    sections: usize,
}

enum State<'a> {
    /// At the beginning, or after reasoning or calls: any of them may follow.
    Boundary,
    Content,
    Reasoning(&'static ReasoningFormat),
    Calls(Section<'a>),
}

impl<'a> AnswerParser<'a> {
    /// A parser of the answer to `prompt`: if that ends in thoughts that were opened, the answer begins with them.
    pub fn new(calls: Option<(&'static CallFormat, &'a Tools)>, prompt: &str) -> Self {
        let opened = REASONING.iter().find(|format| prompt.trim_end().ends_with(format.open.trim_end()));
        let state = opened.map_or(State::Boundary, State::Reasoning);
        let strips = matches!(state, State::Reasoning(_));
        Self { calls, state, pending: String::new(), strips, sections: 0 }
    }

    /// Whether the model thinks aloud.
    pub fn is_reasoning(&self) -> bool {
        matches!(self.state, State::Reasoning(_))
    }

    /// Calls are being written: which section of them it is, and the text of it so far.
    pub fn section(&self) -> Option<(usize, &str)> {
        match &self.state {
            State::Calls(_) => Some((self.sections, &self.pending)),
            _ => None,
        }
    }

    /// Takes the next piece of text.
    pub fn push(&mut self, text: &str) -> Vec<Part> {
        self.pending.push_str(text);
        let mut parts = Vec::new();
        while self.advance(&mut parts) {}
        parts
    }

    /// What is left when nothing follows.
    pub fn finish(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        match &mut self.state {
            State::Calls(section) => {
                let mut calls = Vec::new();
                let end = section.finish(&mut self.pending, &mut calls);
                parts.extend(calls.into_iter().map(Part::Call));
                if let End::Text(text) = end {
                    parts.push(Part::Content(text));
                }
            }
            State::Reasoning(_) => say(&mut parts, Part::Reasoning, self.pending.trim_end()),
            State::Boundary if self.strips => say(&mut parts, Part::Content, self.pending.trim_start()),
            State::Boundary | State::Content => say(&mut parts, Part::Content, &self.pending),
        }
        self.pending.clear();
        parts
    }

    /// Does what the pending text allows; whether more can be done.
    fn advance(&mut self, parts: &mut Vec<Part>) -> bool {
        match &mut self.state {
            State::Boundary => self.boundary(),
            State::Content => self.content(parts),
            State::Reasoning(format) => {
                let format = *format;
                self.reasoning(format, parts)
            }
            State::Calls(section) => {
                let mut calls = Vec::new();
                let end = section.push(&mut self.pending, &mut calls);
                parts.extend(calls.into_iter().map(Part::Call));
                match end {
                    End::More => return false,
                    End::Closed => (self.state, self.strips) = (State::Boundary, true),
                    End::Text(text) => {
                        self.state = State::Content;
                        say(parts, Part::Content, &text);
                    }
                }
                !self.pending.is_empty()
            }
        }
    }

    fn boundary(&mut self) -> bool {
        let text = self.pending.trim_start();
        if text.is_empty() {
            return false;
        }
        let open = self.calls.map_or("", |(format, _)| format.open);
        let bare = if self.calls.is_some_and(|(format, _)| format.bare) { "{" } else { "" };
        if let Some(format) = REASONING.iter().find(|format| text.starts_with(format.open)) {
            self.pending = text.split_at(format.open.len()).1.to_owned();
            (self.state, self.strips) = (State::Reasoning(format), true);
        } else if !open.is_empty() && text.starts_with(open) {
            self.open(self.pending.len() - text.len());
        } else if !bare.is_empty() && text.starts_with(bare) {
            self.pending = text.to_owned();
            self.enter("");
        } else if REASONING.iter().any(|format| format.open.starts_with(text)) || open.starts_with(text) {
            return false;
        } else {
            if self.strips {
                self.pending = text.to_owned();
            }
            self.state = State::Content;
        }
        true
    }

    fn content(&mut self, parts: &mut Vec<Part>) -> bool {
        let open = self.calls.map_or("", |(format, _)| format.open);
        if let Some(at) = self.pending.find(open).filter(|_| !open.is_empty()) {
            say(parts, Part::Content, self.pending.get(..at).unwrap_or_default());
            self.open(at);
            return true;
        }
        let keep = overlap(&self.pending, open);
        let rest = self.pending.split_off(self.pending.len() - keep);
        say(parts, Part::Content, &std::mem::replace(&mut self.pending, rest));
        false
    }

    fn reasoning(&mut self, format: &'static ReasoningFormat, parts: &mut Vec<Part>) -> bool {
        if std::mem::take(&mut self.strips) {
            self.pending = self.pending.trim_start().to_owned();
            self.strips = self.pending.is_empty();
        }
        if let Some((thoughts, rest)) = self.pending.split_once(format.close) {
            say(parts, Part::Reasoning, thoughts.trim_end());
            self.pending = rest.to_owned();
            (self.state, self.strips) = (State::Boundary, true);
            return true;
        }
        let shown = self.pending.split_at(self.pending.len() - overlap(&self.pending, format.close)).0;
        let rest = self.pending.split_off(shown.trim_end().len());
        say(parts, Part::Reasoning, &std::mem::replace(&mut self.pending, rest));
        false
    }

    /// Enters a section of calls whose opening text begins at byte `at` of the pending text.
    fn open(&mut self, at: usize) {
        let open = self.calls.map_or("", |(format, _)| format.open);
        self.pending.drain(..at + open.len());
        self.enter(open);
    }

    fn enter(&mut self, opened: &str) {
        if let Some((format, tools)) = self.calls {
            self.state = State::Calls(Section::new(format, tools, opened));
            self.sections += 1;
        }
    }
}

fn say(parts: &mut Vec<Part>, part: fn(String) -> Part, text: &str) {
    if !text.is_empty() {
        parts.push(part(text.to_owned()));
    }
}
