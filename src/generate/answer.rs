//! One answer while it grows: what is drawn, what must follow, and what is written.

use super::guide::Guide;
use super::outcome::{Choice, Event, FinishReason, Timings};
use super::writer::Writer;
use crate::engine::Pick;
use crate::error::Result;
use crate::logprobs::TokenLogprob;
use crate::request::Common;
use crate::sampler::{Sampler, Sampling};
use crate::tokenizer::Tokenizer;

/// An answer in the making.
pub(super) struct Answer<'a> {
    pub(super) index: usize,
    pub(super) max_tokens: Option<usize>,
    ignore_eos: bool,
    /// How many of the likeliest tokens to tell, if any probability is asked for.
    top_logprobs: Option<usize>,
    tokenizer: &'a Tokenizer,
    sampler: Sampler,
    guide: Guide,
    writer: Writer<'a>,
    /// Of the token that was drawn last.
    logprob: Option<TokenLogprob>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        index: usize,
        tokenizer: &'a Tokenizer,
        common: &Common,
        guide: Guide,
        writer: Writer<'a>,
        prompt: &[u32],
    ) -> Self {
        let seed = common.sampling.seed.wrapping_add(index as u64);
        Self {
            index,
            max_tokens: common.max_tokens,
            ignore_eos: common.ignore_eos,
            top_logprobs: common.top_logprobs,
            tokenizer,
            sampler: Sampler::new(Sampling { seed, ..common.sampling.clone() }, prompt),
            guide,
            writer,
            logprob: None,
        }
    }

    /// Tokens written.
    pub(super) fn len(&self) -> usize {
        self.writer.len()
    }

    /// How the next token is chosen, if nobody looks at logits or changes them.
    pub(super) fn pick(&self) -> Option<Pick> {
        let sees_logits = self.top_logprobs.is_some() || self.guide.restricts();
        if sees_logits { None } else { self.sampler.pick() }
    }

    /// How those after it are, `most` of them and no more than the answer may have.
    pub(super) fn picks_ahead(&self, most: usize) -> Vec<Pick> {
        let left = self.max_tokens.map_or(most, |max| max.saturating_sub(self.len() + 1));
        self.sampler.picks_ahead(most.min(left))
    }

    /// Takes a token that was chosen so.
    pub(super) fn take(&mut self, id: u32) -> u32 {
        self.sampler.take(id);
        id
    }

    /// Draws the next token from `logits`, of which those that must not follow are struck out.
    pub(super) fn draw(&mut self, logits: &mut [f32]) -> Result<u32> {
        let given = self.top_logprobs.map(|top| (top, logits.to_vec()));
        self.guide.restrict(logits, !self.ignore_eos)?;
        let id = self.sampler.sample(logits);
        self.logprob = given.map(|(top, logits)| TokenLogprob::new(&logits, id, top, self.tokenizer));
        Ok(id)
    }

    /// Whether the answer ends with `id`. A constraint lets such a token follow a complete text only; one that
    /// must not end there lets it follow where nothing else can.
    pub(super) fn ends_with(&self, id: u32) -> bool {
        self.tokenizer.is_eog(id) && (!self.ignore_eos || self.guide.governs_the_end())
    }

    /// Tells the constraint which token was drawn.
    pub(super) fn commit(&mut self, id: u32) -> Result<()> {
        self.guide.commit(id)
    }

    /// The tokens that must follow. None if probabilities are asked for: those of tokens that are not drawn are
    /// never computed.
    pub(super) fn forced(&mut self) -> Result<Vec<u32>> {
        if self.top_logprobs.is_some() {
            return Ok(Vec::new());
        }
        let forced = self.guide.forced()?;
        forced.iter().for_each(|&id| self.sampler.note(id));
        Ok(forced)
    }

    /// Whether the answer has the form that was asked for and nothing can follow.
    pub(super) fn is_complete(&self) -> bool {
        self.guide.is_complete()
    }

    /// Takes up or lets go of a constraint, as the answer so far asks for; true if the answer is over.
    pub(super) fn follow(&mut self) -> Result<bool> {
        self.guide.follow(self.writer.parser(), self.tokenizer)
    }

    /// Adds what the constraints cost.
    pub(super) fn account(&self, timings: &mut Timings) {
        if let Some(sum) = &mut timings.constraint {
            sum.add(&self.guide.timings());
        }
    }

    /// Takes a token; true if a stop string is complete.
    pub(super) fn push(&mut self, id: u32, on_event: &mut dyn FnMut(Event)) -> bool {
        self.writer.push(id, self.logprob.take(), on_event)
    }

    pub(super) fn finish(self, finish_reason: FinishReason, on_event: &mut dyn FnMut(Event)) -> Choice {
        self.writer.finish(finish_reason, on_event)
    }
}
