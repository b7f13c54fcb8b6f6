//! From the tokens of one answer to its text, thoughts and calls, as pieces that go out at once and as a whole.

use super::outcome::{CallDelta, Choice, Delta, Event, FinishReason, ToolCall};
use crate::chat::calls::{AnswerParser, CallPart, Part};
use crate::logprobs::TokenLogprob;
use crate::stop::{StopMatcher, Stopped};
use crate::tokenizer::{Detokenizer, Tokenizer};

/// Letters and digits of a call's id: Mistral's templates refuse any other length.
const ID_LENGTH: usize = 9;

/// Writes one answer.
pub(super) struct Writer<'a> {
    detokenizer: Detokenizer<&'a Tokenizer>,
    stops: StopMatcher,
    stopped: bool,
    parser: Option<AnswerParser<'a>>,
    /// What the next delta will carry.
    unsent: Delta,
    choice: Choice,
}

impl<'a> Writer<'a> {
    /// A writer of answer `index`, which `parser` takes apart, if it is not plain text.
    pub(super) fn new(
        index: usize,
        detokenizer: Detokenizer<&'a Tokenizer>,
        stop: &[String],
        parser: Option<AnswerParser<'a>>,
        wants_logprobs: bool,
    ) -> Self {
        let logprobs = wants_logprobs.then(Vec::new);
        let unsent = Delta { logprobs: logprobs.clone(), ..Delta::default() };
        let choice = Choice {
            index,
            text: String::new(),
            reasoning: String::new(),
            tool_calls: Vec::new(),
            token_ids: Vec::new(),
            logprobs,
            reasoning_tokens: 0,
            finish_reason: FinishReason::Length,
        };
        Self { detokenizer, stops: StopMatcher::new(stop.to_vec()), stopped: false, parser, unsent, choice }
    }

    /// Begins the answer with the prompt.
    pub(super) fn echo(&mut self, prompt: &[u32], logprobs: Vec<TokenLogprob>) {
        self.unsent.text = prompt.iter().map(|&id| self.detokenizer.push(id)).collect();
        logprobs.into_iter().for_each(|logprob| self.note(logprob));
    }

    /// Tokens written.
    pub(super) fn len(&self) -> usize {
        self.choice.token_ids.len()
    }

    /// What takes the answer apart.
    pub(super) fn parser(&self) -> Option<&AnswerParser<'a>> {
        self.parser.as_ref()
    }

    /// Takes a token; true if a stop string is complete.
    pub(super) fn push(
        &mut self,
        id: u32,
        logprob: Option<TokenLogprob>,
        on_event: &mut dyn FnMut(Event),
    ) -> bool {
        self.choice.token_ids.push(id);
        self.unsent.token_ids.push(id);
        if let Some(logprob) = logprob {
            self.note(logprob);
        }
        self.choice.reasoning_tokens +=
            usize::from(self.parser.as_ref().is_some_and(AnswerParser::is_reasoning));
        let piece = self.detokenizer.push(id);
        let Stopped { text, stop } = self.stops.push(&piece);
        self.stopped = stop;
        self.write(&text);
        self.emit(on_event);
        stop
    }

    fn note(&mut self, logprob: TokenLogprob) {
        self.unsent
            .logprobs
            .iter_mut()
            .chain(&mut self.choice.logprobs)
            .for_each(|list| list.push(logprob.clone()));
    }

    /// Takes text apart into the next delta.
    fn write(&mut self, text: &str) {
        let parts = match &mut self.parser {
            Some(parser) => parser.push(text),
            None => vec![Part::Content(text.to_owned())],
        };
        parts.into_iter().for_each(|part| self.take(part));
    }

    fn take(&mut self, part: Part) {
        match part {
            Part::Content(text) => self.unsent.text.push_str(&text),
            Part::Reasoning(text) => self.unsent.reasoning.push_str(&text),
            Part::Call(CallPart::Name { name, id }) => {
                let index = self.choice.tool_calls.len();
                let is_new =
                    |id: &String| !id.is_empty() && self.choice.tool_calls.iter().all(|call| call.id != *id);
                let id = id.filter(is_new).unwrap_or_else(random_id);
                let call = ToolCall { id: id.clone(), name: name.clone(), arguments: String::new() };
                self.choice.tool_calls.push(call);
                let delta = CallDelta { index, id: Some(id), name: Some(name), arguments: String::new() };
                self.unsent.tool_calls.push(delta);
            }
            Part::Call(CallPart::Arguments(text)) => {
                let Some(call) = self.choice.tool_calls.last_mut() else { return };
                call.arguments.push_str(&text);
                let index = self.choice.tool_calls.len() - 1;
                match self.unsent.tool_calls.last_mut().filter(|delta| delta.index == index) {
                    Some(delta) => delta.arguments.push_str(&text),
                    None => {
                        self.unsent.tool_calls.push(CallDelta {
                            index,
                            id: None,
                            name: None,
                            arguments: text,
                        });
                    }
                }
            }
        }
    }

    /// Sends what has something to say.
    fn emit(&mut self, on_event: &mut dyn FnMut(Event)) {
        let Delta { text, reasoning, tool_calls, .. } = &self.unsent;
        if !text.is_empty() || !reasoning.is_empty() || !tool_calls.is_empty() {
            self.send(on_event);
        }
    }

    fn send(&mut self, on_event: &mut dyn FnMut(Event)) {
        let next = Delta { logprobs: self.unsent.logprobs.as_ref().map(|_| Vec::new()), ..Delta::default() };
        let delta = std::mem::replace(&mut self.unsent, next);
        self.choice.text.push_str(&delta.text);
        self.choice.reasoning.push_str(&delta.reasoning);
        on_event(Event::Delta { index: self.choice.index, delta });
    }

    /// The whole answer.
    pub(super) fn finish(mut self, finish_reason: FinishReason, on_event: &mut dyn FnMut(Event)) -> Choice {
        if !self.stopped {
            let tail = self.detokenizer.finish();
            let Stopped { text, stop } = self.stops.push(&tail);
            let held = if stop { String::new() } else { self.stops.finish() };
            self.write(&(text + &held));
        }
        let rest = self.parser.as_mut().map(AnswerParser::finish).unwrap_or_default();
        rest.into_iter().for_each(|part| self.take(part));
        self.emit(on_event);
        if !self.unsent.token_ids.is_empty() {
            self.send(on_event);
        }
        let calls = finish_reason == FinishReason::Stop && !self.choice.tool_calls.is_empty();
        let finish_reason = if calls { FinishReason::ToolCalls } else { finish_reason };
        on_event(Event::Finish { index: self.choice.index, finish_reason });
        Choice { finish_reason, ..self.choice }
    }
}

/// An id that no other call has.
fn random_id() -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut random = getrandom::u64().unwrap_or(0);
    let digit = |_| {
        let digit = DIGITS[(random % 62) as usize];
        random /= 62;
        char::from(digit)
    };
    (0..ID_LENGTH).map(digit).collect()
}
