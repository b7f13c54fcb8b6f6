//! The loop: prefill → sample → detokenise → stop. Written once, asynchronous, and left to its caller between steps.

use serde::Serialize;
use web_time::Instant;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::network::Network;
use crate::prefix_cache::PrefixCache;
use crate::request::Common;
use crate::sampler::{Sampler, Sampling};
use crate::stop::{StopMatcher, Stopped};
use crate::task::Pace;
use crate::tokenizer::{Detokenizer, Tokenizer};

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
    /// An end-of-generation token or a stop string.
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
    /// `aborted`, and what the network fails with; the cache stays usable.
    pub async fn run(&mut self, prompt: &[u32], common: &Common, start: TextStart) -> Result<Outcome> {
        let mut pace = Pace::start();
        let begun = Instant::now();
        let cached_tokens = self.cache.begin(prompt, self.network)?;
        (self.on_event)(Event::Start { prompt_tokens: prompt.len(), cached_tokens });
        let mut timings = Timings::default();
        let mut choices = Vec::new();
        for index in 0..common.choices {
            let prefill = Instant::now();
            let computed = prompt.len() - self.cache.begin(prompt, self.network)?;
            let logits = self.prefill(prompt, &mut pace).await?;
            timings.prompt_tokens += computed;
            timings.prompt_ms += milliseconds(prefill);
            if index == 0 {
                timings.first_token_ms = milliseconds(begun);
            }
            let seed = common.sampling.seed.wrapping_add(index as u64);
            let sampling = Sampling { seed, ..common.sampling.clone() };
            let answer =
                Answer::new(index, Sampler::new(sampling, prompt), self.tokenizer, common, start, prompt);
            let decode = Instant::now();
            choices.push(self.decode(answer, logits, common, &mut pace).await?);
            timings.decode_ms += milliseconds(decode);
        }
        timings.completion_tokens = choices.iter().map(|choice| choice.token_ids.len()).sum();
        timings.prompt_per_second = rate(timings.prompt_tokens, timings.prompt_ms);
        // The first token of each answer comes from the prompt's logits.
        let decoded = timings.completion_tokens.saturating_sub(choices.len());
        timings.decode_per_second = rate(decoded, timings.decode_ms);
        Ok(Outcome { choices, prompt_tokens: prompt.len(), cached_tokens, timings })
    }

    /// Runs what the cache does not hold of `prompt`; returns the last token's logits.
    async fn prefill(&mut self, prompt: &[u32], pace: &mut Pace) -> Result<Vec<f32>> {
        let mut chunk = FIRST_CHUNK;
        let last = prompt.len() - 1;
        loop {
            self.cancel.check()?;
            let from = self.cache.active().len();
            let mut to = prompt.len().min(from + chunk);
            if !self.network.can_rewind() && from < last {
                // The next prompt may share this one and not the answer: a state is kept that stands between them.
                to = to.min(last);
            } else if !self.network.can_rewind() {
                self.cache.park(self.network)?;
            }
            let begun = Instant::now();
            let is_last = to == prompt.len();
            let first_logits = to - from - usize::from(is_last);
            let logits = self.cache.active().extend(self.network, &prompt[from..to], first_logits).await?;
            if is_last {
                return Ok(logits.to_vec());
            }
            let elapsed = begun.elapsed().as_millis();
            if elapsed < CHUNK_MS.start {
                chunk = (chunk * 2).min(MAX_CHUNK);
            } else if elapsed > CHUNK_MS.end {
                chunk = (chunk / 2).max(1);
            }
            pace.breathe().await;
        }
    }

    /// Samples and runs token after token until the answer ends.
    async fn decode(
        &mut self,
        mut answer: Answer<'_>,
        mut logits: Vec<f32>,
        common: &Common,
        pace: &mut Pace,
    ) -> Result<Choice> {
        let finish_reason = loop {
            self.cancel.check()?;
            let id = answer.sampler.sample(&mut logits);
            if !common.ignore_eos && self.tokenizer.is_eog(id) {
                break FinishReason::Stop;
            }
            if answer.push(id, self.on_event) {
                break FinishReason::Stop;
            }
            let room = self.network.context_length - self.cache.active().len();
            if Some(answer.ids.len()) == common.max_tokens || room == 0 {
                break FinishReason::Length;
            }
            pace.breathe().await;
            let next = self.cache.active().extend(self.network, &[id], 0).await?;
            logits.copy_from_slice(next);
        };
        Ok(answer.finish(finish_reason, self.on_event))
    }
}

/// An answer in the making.
struct Answer<'a> {
    index: usize,
    sampler: Sampler,
    detokenizer: Detokenizer<&'a Tokenizer>,
    stops: StopMatcher,
    stopped: bool,
    ids: Vec<u32>,
    /// Ids that no delta has carried yet.
    unsent: Vec<u32>,
    text: String,
    /// Echoed text that goes out with the first delta.
    echo: String,
}

impl<'a> Answer<'a> {
    fn new(
        index: usize,
        sampler: Sampler,
        tokenizer: &'a Tokenizer,
        common: &Common,
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
        Self {
            index,
            sampler,
            detokenizer,
            stops,
            stopped: false,
            ids: Vec::new(),
            unsent: Vec::new(),
            text: String::new(),
            echo,
        }
    }

    /// Takes a token; true if a stop string is complete.
    fn push(&mut self, id: u32, on_event: &mut dyn FnMut(Event)) -> bool {
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

    fn finish(mut self, finish_reason: FinishReason, on_event: &mut dyn FnMut(Event)) -> Choice {
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

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn rate(count: usize, milliseconds: f64) -> f64 {
    if milliseconds > 0.0 { count as f64 * 1e3 / milliseconds } else { 0.0 }
}
