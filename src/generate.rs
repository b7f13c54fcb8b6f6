//! The loop: prefill → sample → detokenise → stop. Written once, asynchronous, and left to its caller between steps.

mod answer;

use serde::Serialize;
use web_time::Instant;

use answer::Answer;

use crate::cancel::Cancel;
use crate::constraint::{Compiler, Constraint, ConstraintTimings};
use crate::error::Result;
use crate::network::Network;
use crate::prefix_cache::PrefixCache;
use crate::request::Common;
use crate::task::Pace;
use crate::tokenizer::Tokenizer;

/// First piece of a prompt; later ones grow or shrink with the time it took.
const FIRST_CHUNK: usize = 32;
/// Largest piece of a prompt.
const MAX_CHUNK: usize = 256;
/// An abort takes effect within about two pieces: they are made to last this long, in milliseconds.
const CHUNK_MS: std::ops::Range<u128> = 40..160;

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// An end-of-generation token, a stop string, or nothing that the answer's form lets follow.
    Stop,
    /// `max_tokens`, or the end of the context.
    Length,
}

/// What happens while an answer is made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The request is valid and work begins.
    Start {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Those of them that need not be computed.
        cached_tokens: usize,
    },
    /// More text.
    Delta {
        /// Which answer.
        index: usize,
        /// Whole characters.
        text: String,
        /// Tokens since the last delta.
        token_ids: Vec<u32>,
    },
    /// An answer is complete.
    Finish {
        /// Which answer.
        index: usize,
        /// Why.
        finish_reason: FinishReason,
    },
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// Which one.
    pub index: usize,
    /// Its text.
    pub text: String,
    /// Its tokens, the end-of-generation token not included.
    pub token_ids: Vec<u32>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// How long the parts took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Tokens of the prompt that were computed.
    pub prompt_tokens: usize,
    /// Time for them.
    pub prompt_ms: f64,
    /// Their rate.
    pub prompt_per_second: f64,
    /// Tokens of all answers.
    pub completion_tokens: usize,
    /// Time for them, without the prompt's.
    pub decode_ms: f64,
    /// Rate of the tokens that needed a pass of their own.
    pub decode_per_second: f64,
    /// From the start of the work to the first token.
    pub first_token_ms: f64,
    /// What the form of the answer cost, if one was asked for; part of the other times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<ConstraintTimings>,
}

/// All answers to one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The answers.
    pub choices: Vec<Choice>,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those that came from the cache.
    pub cached_tokens: usize,
    /// Times.
    pub timings: Timings,
}

/// What the loop works with.
pub struct Generator<'a> {
    /// The network.
    pub network: &'a mut Network,
    /// Conversations that it need not compute again.
    pub cache: &'a mut PrefixCache,
    /// Ids to text.
    pub tokenizer: &'a Tokenizer,
    /// What gives answers a form.
    pub compiler: &'a Compiler,
    /// Raised by the caller.
    pub cancel: &'a Cancel,
    /// Told what happens.
    pub on_event: &'a mut dyn FnMut(Event),
}

/// Where the text of an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextStart {
    /// After a prompt: a leading space belongs to the answer.
    Continues,
    /// With the prompt itself, which is echoed.
    EchoesPrompt,
}

impl Generator<'_> {
    /// Answers `prompt`, which has at least one token and leaves room for another.
    ///
    /// # Errors
    /// `aborted`, what the network fails with, and what the constraint does; the cache stays usable.
    pub async fn run(&mut self, prompt: &[u32], common: &Common, start: TextStart) -> Result<Outcome> {
        let mut pace = Pace::start();
        let begun = Instant::now();
        let mut timings = Timings::default();
        let constraint = self.constraint(common, &mut timings)?;
        let cached_tokens = self.cache.begin(prompt, self.network)?;
        (self.on_event)(Event::Start { prompt_tokens: prompt.len(), cached_tokens });
        let mut choices = Vec::new();
        for index in 0..common.choices {
            let constraint = constraint.as_ref().map(Constraint::restarted).transpose()?;
            let answer = Answer::new(index, self.tokenizer, common, constraint, start, prompt);
            choices.push(self.answer(answer, prompt, begun, &mut timings, &mut pace).await?);
        }
        timings.completion_tokens = choices.iter().map(|choice| choice.token_ids.len()).sum();
        timings.prompt_per_second = rate(timings.prompt_tokens, timings.prompt_ms);
        // The first token of each answer comes from the prompt's logits.
        let decoded = timings.completion_tokens.saturating_sub(choices.len());
        timings.decode_per_second = rate(decoded, timings.decode_ms);
        Ok(Outcome { choices, prompt_tokens: prompt.len(), cached_tokens, timings })
    }

    /// Makes one answer; `begun` is when the request was.
    async fn answer(
        &mut self,
        mut answer: Answer<'_>,
        prompt: &[u32],
        begun: Instant,
        timings: &mut Timings,
        pace: &mut Pace,
    ) -> Result<Choice> {
        let held = self.cache.begin(prompt, self.network)?;
        let mut pending = prompt.get(held..).unwrap_or_default().to_vec();
        let last = pending.len().saturating_sub(1);
        let mut logits = Vec::new();
        timings.prompt_tokens += pending.len();
        let prefill = Instant::now();
        let mut end = self.take_forced(&mut answer, &mut pending)?;
        if end.is_none() && !self.network.can_rewind() {
            // The next prompt may share this one and not the answer: a state is kept that stands between them.
            let rest = pending.split_off(last);
            self.feed(&mut pending, &mut logits, pace).await?;
            self.cache.park(self.network)?;
            pending = rest;
        }
        if end.is_none() {
            self.feed(&mut pending, &mut logits, pace).await?;
        }
        timings.prompt_ms += milliseconds(prefill);
        if answer.index == 0 {
            timings.first_token_ms = milliseconds(begun);
        }
        let decode = Instant::now();
        let finish_reason = loop {
            if let Some(reason) = end {
                break reason;
            }
            if !pending.is_empty() {
                pace.breathe().await;
                self.feed(&mut pending, &mut logits, pace).await?;
            }
            self.cancel.check()?;
            end = self.step(&mut answer, &mut logits, &mut pending)?;
        };
        timings.decode_ms += milliseconds(decode);
        answer.account(timings);
        Ok(answer.finish(finish_reason, self.on_event))
    }

    /// The constraint of all answers, before anything is computed.
    fn constraint(&self, common: &Common, timings: &mut Timings) -> Result<Option<Constraint>> {
        let Some(demand) = &common.constraint else { return Ok(None) };
        let constraint = self.compiler.compile(&demand.source, demand.field)?;
        timings.constraint = Some(constraint.timings());
        Ok(Some(constraint))
    }

    /// Runs `pending`, which is emptied, after what the cache holds; `logits` becomes the last one's.
    async fn feed(&mut self, pending: &mut Vec<u32>, logits: &mut Vec<f32>, pace: &mut Pace) -> Result<()> {
        let mut chunk = FIRST_CHUNK;
        let mut rest = pending.as_slice();
        while !rest.is_empty() {
            self.cancel.check()?;
            let begun = Instant::now();
            let (now, later) = rest.split_at(rest.len().min(chunk));
            let first_logits = now.len() - usize::from(later.is_empty());
            let last = self.cache.active().extend(self.network, now, first_logits).await?;
            if later.is_empty() {
                logits.clear();
                logits.extend_from_slice(last);
                break;
            }
            rest = later;
            let elapsed = begun.elapsed().as_millis();
            if elapsed < CHUNK_MS.start {
                chunk = (chunk * 2).min(MAX_CHUNK);
            } else if elapsed > CHUNK_MS.end {
                chunk = (chunk / 2).max(1);
            }
            pace.breathe().await;
        }
        pending.clear();
        Ok(())
    }

    /// Draws a token, takes what must follow it, and leaves both in `pending` for the network; says how the answer
    /// ends if it does.
    fn step(
        &mut self,
        answer: &mut Answer<'_>,
        logits: &mut [f32],
        pending: &mut Vec<u32>,
    ) -> Result<Option<FinishReason>> {
        let id = answer.draw(logits)?;
        if answer.ends_with(id) {
            return Ok(Some(FinishReason::Stop));
        }
        answer.commit(id)?;
        let is_complete = answer.is_complete();
        let end = self.take(answer, id, is_complete, pending);
        if end.is_some() { Ok(end) } else { self.take_forced(answer, pending) }
    }

    /// Takes the tokens that must follow.
    fn take_forced(
        &mut self,
        answer: &mut Answer<'_>,
        pending: &mut Vec<u32>,
    ) -> Result<Option<FinishReason>> {
        let forced = answer.forced()?;
        let is_complete = answer.is_complete();
        for (at, &id) in forced.iter().enumerate() {
            let is_last = at + 1 == forced.len();
            if let Some(end) = self.take(answer, id, is_complete && is_last, pending) {
                return Ok(Some(end));
            }
        }
        Ok(is_complete.then_some(FinishReason::Stop))
    }

    /// Takes one token, with which the text `is_complete` or not, into answer and `pending`; says how the answer
    /// ends if there is no going on.
    fn take(
        &mut self,
        answer: &mut Answer<'_>,
        id: u32,
        is_complete: bool,
        pending: &mut Vec<u32>,
    ) -> Option<FinishReason> {
        pending.push(id);
        if answer.push(id, self.on_event) || is_complete {
            return Some(FinishReason::Stop);
        }
        let is_full = self.cache.active().len() + pending.len() > self.network.context_length;
        (is_full || Some(answer.ids.len()) == answer.max_tokens).then_some(FinishReason::Length)
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn rate(count: usize, milliseconds: f64) -> f64 {
    if milliseconds > 0.0 { count as f64 * 1e3 / milliseconds } else { 0.0 }
}
