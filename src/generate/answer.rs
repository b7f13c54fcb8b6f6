//! One answer while it grows: what is drawn, what must follow, and the text that goes out.

use super::{Choice, Event, FinishReason, TextStart, Timings};
use crate::constraint::Constraint;
use crate::error::Result;
use crate::request::Common;
use crate::sampler::{Sampler, Sampling};
use crate::stop::{StopMatcher, Stopped};
use crate::tokenizer::{Detokenizer, Tokenizer};

/// An answer in the making.
pub(super) struct Answer<'a> {
    pub(super) index: usize,
    pub(super) max_tokens: Option<usize>,
    ignore_eos: bool,
    tokenizer: &'a Tokenizer,
    sampler: Sampler,
    constraint: Option<Constraint>,
    detokenizer: Detokenizer<&'a Tokenizer>,
    stops: StopMatcher,
    stopped: bool,
    pub(super) ids: Vec<u32>,
    /// Ids that no delta has carried yet.
    unsent: Vec<u32>,
    text: String,
    /// Echoed text that goes out with the first delta.
    echo: String,
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        index: usize,
        tokenizer: &'a Tokenizer,
        common: &Common,
        constraint: Option<Constraint>,
        start: TextStart,
        prompt: &[u32],
    ) -> Self {
        let mut detokenizer = match start {
            TextStart::Continues => Detokenizer::continuing(tokenizer, true),
            TextStart::EchoesPrompt => Detokenizer::at_start(tokenizer, true),
        };
        let echoed = if start == TextStart::EchoesPrompt { prompt } else { &[] };
        let echo = echoed.iter().map(|&id| detokenizer.push(id)).collect();
        let stops = StopMatcher::new(common.stop.clone());
        let seed = common.sampling.seed.wrapping_add(index as u64);
        let sampler = Sampler::new(Sampling { seed, ..common.sampling.clone() }, prompt);
        Self {
            index,
            max_tokens: common.max_tokens,
            ignore_eos: common.ignore_eos,
            tokenizer,
            sampler,
            constraint,
            detokenizer,
            stops,
            stopped: false,
            ids: Vec::new(),
            unsent: Vec::new(),
            text: String::new(),
            echo,
        }
    }

    /// Draws the next token from `logits`, of which those that the constraint forbids are struck out.
    pub(super) fn draw(&mut self, logits: &mut [f32]) -> Result<u32> {
        if let Some(constraint) = &mut self.constraint {
            constraint.restrict(logits, !self.ignore_eos)?;
        }
        Ok(self.sampler.sample(logits))
    }

    /// Whether the answer ends with `id`. A constraint lets such a token follow a complete text only; one that
    /// must not end there lets it follow where nothing else can.
    pub(super) fn ends_with(&self, id: u32) -> bool {
        self.tokenizer.is_eog(id) && (!self.ignore_eos || self.constraint.is_some())
    }

    /// Tells the constraint which token was drawn.
    pub(super) fn commit(&mut self, id: u32) -> Result<()> {
        self.constraint.as_mut().map_or(Ok(()), |constraint| constraint.commit(id))
    }

    /// The tokens that must follow.
    pub(super) fn forced(&mut self) -> Result<Vec<u32>> {
        let forced = self.constraint.as_mut().map_or(Ok(Vec::new()), Constraint::forced)?;
        forced.iter().for_each(|&id| self.sampler.note(id));
        Ok(forced)
    }

    /// Whether the constraint is fulfilled and lets nothing follow.
    pub(super) fn is_complete(&self) -> bool {
        self.constraint.as_ref().is_some_and(Constraint::is_complete)
    }

    /// Adds what the constraint cost.
    pub(super) fn account(&self, timings: &mut Timings) {
        if let (Some(sum), Some(constraint)) = (&mut timings.constraint, &self.constraint) {
            sum.add(&constraint.timings());
        }
    }

    /// Takes a token; true if a stop string is complete.
    pub(super) fn push(&mut self, id: u32, on_event: &mut dyn FnMut(Event)) -> bool {
        self.ids.push(id);
        self.unsent.push(id);
        let piece = self.detokenizer.push(id);
        let Stopped { text, stop } = self.stops.push(&piece);
        self.stopped = stop;
        self.emit(text, on_event);
        stop
    }

    fn emit(&mut self, text: String, on_event: &mut dyn FnMut(Event)) {
        let text = std::mem::take(&mut self.echo) + &text;
        self.text.push_str(&text);
        if !text.is_empty() {
            on_event(Event::Delta { index: self.index, text, token_ids: std::mem::take(&mut self.unsent) });
        }
    }

    pub(super) fn finish(mut self, finish_reason: FinishReason, on_event: &mut dyn FnMut(Event)) -> Choice {
        if !self.stopped {
            let tail = self.detokenizer.finish();
            let Stopped { text, stop } = self.stops.push(&tail);
            let held = if stop { String::new() } else { self.stops.finish() };
            self.emit(text + &held, on_event);
        }
        if !self.unsent.is_empty() {
            let token_ids = std::mem::take(&mut self.unsent);
            on_event(Event::Delta { index: self.index, text: String::new(), token_ids });
        }
        on_event(Event::Finish { index: self.index, finish_reason });
        Choice { index: self.index, text: self.text, token_ids: self.ids, finish_reason }
    }
}
