//! The loop: prefill → sample → detokenise → stop. Written once, asynchronous, and left to its caller between steps.

mod answer;
mod guide;
mod outcome;
mod writer;

pub use guide::Constraints;
pub use outcome::{CallDelta, Choice, Delta, Event, FinishReason, Outcome, Timings, ToolCall};

use web_time::Instant;

use answer::Answer;
use guide::Guide;
use writer::Writer;

use crate::cancel::Cancel;
use crate::chat::calls::{AnswerParser, CallFormat};
use crate::chat::tools::Tools;
use crate::constraint::ConstraintTimings;
use crate::error::{Error, Result};
use crate::logprobs::TokenLogprob;
use crate::network::Network;
use crate::prefix_cache::PrefixCache;
use crate::recovery::Recovery;
use crate::request::Common;
use crate::score;
use crate::task::Pace;
use crate::tokenizer::{Detokenizer, Tokenizer};

/// First piece of a prompt; later ones grow or shrink with the time it took.
const FIRST_CHUNK: usize = 32;
/// Largest piece of a prompt.
const MAX_CHUNK: usize = 256;
/// An abort takes effect within about two pieces: they are made to last this long, in milliseconds.
const CHUNK_MS: std::ops::Range<u128> = 40..160;

/// What the loop works with.
pub struct Generator<'a> {
    /// The network.
    pub network: &'a mut Network,
    /// Conversations that it need not compute again.
    pub cache: &'a mut PrefixCache,
    /// The way back from a lost GPU.
    pub recovery: Option<&'a mut Recovery>,
    /// Ids to text.
    pub tokenizer: &'a Tokenizer,
    /// Raised by the caller.
    pub cancel: &'a Cancel,
    /// Told what happens.
    pub on_event: &'a mut dyn FnMut(Event),
}

/// What the network made of the tokens that ran last.
#[derive(Default)]
struct Next {
    /// The token to follow, where that is all that is asked for.
    picked: Option<u32>,
    /// Otherwise the logits.
    logits: Vec<f32>,
}

/// What kind of answer is made.
#[derive(Clone)]
pub enum Kind<'a> {
    /// A prompt's continuation; `echo` puts the prompt before it.
    Completion {
        /// Whether the prompt comes first.
        echo: bool,
    },
    /// A message.
    Chat {
        /// The prompt as text: it may end in thoughts that it opened.
        prompt: &'a str,
        /// How calls are written, and what can be called.
        calls: Option<(&'static CallFormat, &'a Tools)>,
        /// Control tokens that tell the parts of a message from each other.
        shown: &'a [u32],
    },
}

/// A request, ready to be carried out.
pub struct Job<'a> {
    /// The prompt's tokens: at least one, and there is room for another.
    pub prompt: &'a [u32],
    /// What all requests have.
    pub common: &'a Common,
    /// What kind of answer is made.
    pub kind: Kind<'a>,
    /// What it must look like.
    pub constraints: &'a Constraints,
}

impl<'g> Generator<'g> {
    /// Carries out a request; `timings` say what its constraints took to compile.
    ///
    /// # Errors
    /// `aborted`, what the network fails with, and what the constraint does; the cache stays usable.
    pub async fn run(&mut self, job: &Job<'_>, compiled: Option<ConstraintTimings>) -> Result<Outcome> {
        let mut pace = Pace::start();
        let begun = Instant::now();
        let mut timings = Timings { constraint: compiled, ..Timings::default() };
        let echoed = self.echoed(job).await?;
        let cached_tokens = self.begin(job.prompt).await?;
        (self.on_event)(Event::Start { prompt_tokens: job.prompt.len(), cached_tokens });
        let mut choices = Vec::new();
        for index in 0..job.common.choices {
            let writer = self.writer(index, job, &echoed);
            let guide = Guide::new(job.constraints)?;
            let answer = Answer::new(index, self.tokenizer, job.common, guide, writer, job.prompt);
            choices.push(self.answer(answer, job.prompt, begun, &mut timings, &mut pace).await?);
        }
        timings.completion_tokens = choices.iter().map(|choice| choice.token_ids.len()).sum();
        timings.prompt_per_second = rate(timings.prompt_tokens, timings.prompt_ms);
        // The first token of each answer comes from the prompt's logits.
        let decoded = timings.completion_tokens.saturating_sub(choices.len());
        timings.decode_per_second = rate(decoded, timings.decode_ms);
        Ok(Outcome { choices, prompt_tokens: job.prompt.len(), cached_tokens, timings })
    }

    /// Probabilities of the prompt's tokens, if they are wanted.
    async fn echoed(&mut self, job: &Job<'_>) -> Result<Vec<TokenLogprob>> {
        let (Kind::Completion { echo: true }, Some(top)) = (&job.kind, job.common.top_logprobs) else {
            return Ok(Vec::new());
        };
        let tokenizer = self.tokenizer;
        let mut logprobs: Vec<TokenLogprob> =
            job.prompt.first().map(|&id| TokenLogprob::first(id, tokenizer)).into_iter().collect();
        let each = |logits: &[f32], id| logprobs.push(TokenLogprob::new(logits, id, top, tokenizer));
        score::predictions(self.network, self.cache, job.prompt, self.cancel, each).await?;
        Ok(logprobs)
    }

    fn writer<'j>(&self, index: usize, job: &Job<'j>, echoed: &[TokenLogprob]) -> Writer<'j>
    where
        'g: 'j,
    {
        let Job { common, prompt, .. } = job;
        let tokenizer: &'j Tokenizer = self.tokenizer;
        let wants_logprobs = common.top_logprobs.is_some();
        match &job.kind {
            Kind::Completion { echo: false } => Writer::new(
                index,
                Detokenizer::continuing(tokenizer, true),
                &common.stop,
                None,
                wants_logprobs,
            ),
            Kind::Completion { echo: true } => {
                let detokenizer = Detokenizer::at_start(tokenizer, true);
                let mut writer = Writer::new(index, detokenizer, &common.stop, None, wants_logprobs);
                writer.echo(prompt, echoed.to_vec());
                writer
            }
            Kind::Chat { prompt, calls, shown } => {
                let detokenizer = Detokenizer::continuing(tokenizer, true).showing(shown);
                let parser = AnswerParser::new(*calls, prompt);
                Writer::new(index, detokenizer, &common.stop, Some(parser), wants_logprobs)
            }
        }
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
        let held = self.begin(prompt).await?;
        let mut pending = prompt.get(held..).unwrap_or_default().to_vec();
        let last = pending.len().saturating_sub(1);
        let mut next = Next::default();
        timings.prompt_tokens += pending.len();
        let prefill = Instant::now();
        let mut end = self.take_forced(&mut answer, &mut pending)?;
        if end.is_none() && !self.network.can_rewind() {
            // The next prompt may share this one and not the answer: a state is kept that stands between them.
            let rest = pending.split_off(last);
            self.feed(&mut pending, &answer, &mut next, pace).await?;
            // A GPU that was lost here is noticed by what follows.
            self.cache.park(self.network).await.or_else(|error| self.recoverable(error))?;
            pending = rest;
        }
        if end.is_none() {
            self.feed(&mut pending, &answer, &mut next, pace).await?;
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
                self.feed(&mut pending, &answer, &mut next, pace).await?;
            }
            self.cancel.check()?;
            end = self.step(&mut answer, &mut next, &mut pending)?;
        };
        timings.decode_ms += milliseconds(decode);
        answer.account(timings);
        Ok(answer.finish(finish_reason, self.on_event))
    }

    /// Makes the cache hold as much of `prompt` as it can; returns how many tokens that are.
    async fn begin(&mut self, prompt: &[u32]) -> Result<usize> {
        loop {
            match self.cache.begin(prompt, self.network).await {
                Err(error) => self.recover(error).await?,
                held => return held,
            }
        }
    }

    /// Runs `pending`, which is emptied, after what the cache holds; `next` becomes what `answer` needs of the last one.
    /// Where the GPU is lost meanwhile, all that it held is run again first.
    async fn feed(
        &mut self,
        pending: &mut Vec<u32>,
        answer: &Answer<'_>,
        next: &mut Next,
        pace: &mut Pace,
    ) -> Result<()> {
        while let Err(error) = self.advance(pending, answer, next, pace).await {
            pending.splice(..0, self.cache.active().tokens().iter().copied());
            self.recover(error).await?;
        }
        Ok(())
    }

    /// Replaces a lost GPU.
    async fn recover(&mut self, error: Error) -> Result<()> {
        match self.recovery.as_deref_mut().filter(|recovery| recovery.applies_to(&error)) {
            Some(recovery) => recovery.revive(self.network, self.cache, self.cancel).await,
            None => Err(error),
        }
    }

    /// That `error` is one from which there is a way back.
    fn recoverable(&self, error: Error) -> Result<()> {
        let applies = self.recovery.as_ref().is_some_and(|recovery| recovery.applies_to(&error));
        if applies { Ok(()) } else { Err(error) }
    }

    /// Runs `pending`; what has run is taken out of it.
    async fn advance(
        &mut self,
        pending: &mut Vec<u32>,
        answer: &Answer<'_>,
        next: &mut Next,
        pace: &mut Pace,
    ) -> Result<()> {
        let mut chunk = FIRST_CHUNK;
        while !pending.is_empty() {
            self.cancel.check()?;
            let begun = Instant::now();
            let (now, later) = pending.split_at(pending.len().min(chunk));
            let session = self.cache.active();
            if let Some(pick) = answer.pick().filter(|_| later.is_empty()) {
                let ahead = answer.picks_ahead(self.network.tokens_ahead());
                next.picked = Some(session.extend_to_pick(self.network, now, pick, &ahead).await?);
                break;
            }
            let first_logits = now.len() - usize::from(later.is_empty());
            let last = session.extend(self.network, now, first_logits).await?;
            if later.is_empty() {
                next.logits.clear();
                next.logits.extend_from_slice(last);
                break;
            }
            let ran = now.len();
            pending.drain(..ran);
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
        next: &mut Next,
        pending: &mut Vec<u32>,
    ) -> Result<Option<FinishReason>> {
        let id = match next.picked.take() {
            Some(id) => answer.take(id),
            None => answer.draw(&mut next.logits)?,
        };
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
        if answer.follow()? {
            return Ok(Some(FinishReason::Stop));
        }
        let forced = answer.forced()?;
        let is_complete = answer.is_complete();
        for (at, &id) in forced.iter().enumerate() {
            let is_last = at + 1 == forced.len();
            if let Some(end) = self.take(answer, id, is_complete && is_last, pending) {
                return Ok(Some(end));
            }
        }
        let is_over = answer.follow()? || is_complete;
        Ok(is_over.then_some(FinishReason::Stop))
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
        (is_full || Some(answer.len()) == answer.max_tokens).then_some(FinishReason::Length)
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn rate(count: usize, milliseconds: f64) -> f64 {
    if milliseconds > 0.0 { count as f64 * 1e3 / milliseconds } else { 0.0 }
}
