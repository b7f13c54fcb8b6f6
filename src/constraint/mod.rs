//! Structured output: an answer that a grammar accepts, whatever the model would rather say.
//!
//! A [`Constraint`] follows an answer token by token. Before each token is drawn it forbids all that no accepted
//! text goes on with ([`Constraint::restrict`]); each token that was drawn is told to it ([`Constraint::commit`]);
//! and where only one text can follow, it hands over that text's tokens at once ([`Constraint::forced`]), which the
//! network then takes in one batch instead of a pass each.
//!
//! It may begin with an answer or in the middle of one (the arguments of a tool call): text before it is none of its
//! business.
//!
//! ```text
//! let compiler = Compiler::new(tokenizer);                             // once per model, cheap until it is used
//! let mut constraint = compiler.compile(&source, "response_format.regex")?;
//! loop {
//!     constraint.restrict(&mut logits, true)?;
//!     let id = sampler.sample(&mut logits);
//!     if tokenizer.is_eog(id) { break }                               // allowed where the text is complete only
//!     constraint.commit(id)?;
//!     let forced = constraint.forced()?;                              // committed already
//!     if constraint.is_complete() { break }                           // nothing can follow
//!     logits = network.run([id] + forced);
//! }
//! ```
//!
//! llguidance does the work, and is named in this room only.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod compiler;
mod limits;
mod schema;
mod vocabulary;

pub use compiler::Compiler;

use std::rc::Rc;

use llguidance::Matcher;
use llguidance::api::StopReason;
use llguidance::toktrie::SimpleVob;
use serde_json::Value;
use web_time::Instant;

use crate::error::{Error, ErrorKind, Result};

/// Characters of the library's messages that are passed on: they may hold the whole grammar.
const MAX_MESSAGE: usize = 400;

/// What an answer must be.
#[derive(Debug, Clone, PartialEq)]
pub enum ConstraintSource {
    /// Any JSON object.
    JsonObject,
    /// JSON that this JSON Schema accepts. Properties come in the order in which the schema lists them.
    JsonSchema(Value),
    /// Text that this regular expression matches from beginning to end, in the syntax of Rust's `regex` crate.
    Regex(String),
    /// Text that this grammar derives from `start`, in llguidance's dialect of Lark. A `%json` in it reaches the library
    /// as it is: only what [`Compiler::lower`] gave may stand there.
    Lark(String),
}

/// What constraints cost in one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct ConstraintTimings {
    /// Time until the constraint was ready, in milliseconds.
    pub compile_ms: f64,
    /// Time for all masks, in milliseconds.
    pub mask_ms: f64,
    /// How many masks were computed: one for each token that was drawn.
    pub masks: usize,
    /// Tokens that needed neither a mask nor a pass of their own, because nothing else could follow.
    pub forced_tokens: usize,
}

impl ConstraintTimings {
    /// Adds another answer's.
    pub fn add(&mut self, other: &Self) {
        self.compile_ms += other.compile_ms;
        self.mask_ms += other.mask_ms;
        self.masks += other.masks;
        self.forced_tokens += other.forced_tokens;
    }
}

/// A grammar, and how far an answer has come in it.
pub struct Constraint {
    matcher: Matcher,
    blame: Blame,
    /// Ids that end a generation.
    eog: Rc<[u32]>,
    timings: ConstraintTimings,
}

/// How errors speak of a constraint.
#[derive(Debug, Clone)]
struct Blame {
    kind: ErrorKind,
    /// As the caller knows it, like `response_format.json_schema.schema`.
    field: String,
}

impl Blame {
    /// An error of the library as ours.
    fn error(&self, error: impl std::fmt::Display) -> Error {
        let text = error.to_string();
        let text = text.split("\n<non-verbose/>").next().unwrap_or_default().trim();
        let text = match text {
            // Its word for a mask without a token.
            "NoExtensionBias" => "no text can go on from here to a valid end".to_owned(),
            text => text.chars().take(MAX_MESSAGE).collect(),
        };
        Error::new(self.kind, format!("{}: {text}", self.field))
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Constraint").field("blame", &self.blame).finish_non_exhaustive()
    }
}

impl Constraint {
    /// Another answer under the same grammar, from its beginning. Shares what was compiled and computed.
    ///
    /// # Errors
    /// As [`Self::restrict`].
    pub fn restarted(&self) -> Result<Self> {
        let mut matcher = self.matcher.clone();
        matcher.reset().map_err(|error| self.blame.error(error))?;
        let timings = ConstraintTimings::default();
        Ok(Self { matcher, blame: self.blame.clone(), eog: Rc::clone(&self.eog), timings })
    }

    /// Sets the logits, `[vocabulary]`, of all tokens that must not follow to negative infinity. Those that end a
    /// generation may follow a complete text; unless it `may_end`, only one that cannot go on. At least one token
    /// stays.
    ///
    /// # Errors
    /// `unsupported_schema` or `invalid_request`, as for compiling, if the grammar turns out to be too ambiguous or
    /// the text comes to a dead end in this vocabulary.
    pub fn restrict(&mut self, logits: &mut [f32], may_end: bool) -> Result<()> {
        let begun = Instant::now();
        let mut mask = self.matcher.compute_mask_or_eos().map_err(|error| self.blame.error(error))?;
        if !may_end {
            let ends: Vec<u32> = self.eog.iter().copied().filter(|&id| mask.is_allowed(id)).collect();
            if ends.len() < mask.num_set() {
                ends.iter().for_each(|&id| mask.disallow_token(id));
            }
        }
        apply(&mask, logits);
        self.timings.mask_ms += milliseconds(begun);
        self.timings.masks += 1;
        Ok(())
    }

    /// Takes note that `id` was drawn.
    ///
    /// # Errors
    /// As [`Self::restrict`]; `invalid_request` if the token was not allowed.
    pub fn commit(&mut self, id: u32) -> Result<()> {
        self.matcher.consume_token(id).map_err(|error| self.blame.error(error))
    }

    /// The tokens that must follow, as the model would write them; they are committed by this call. Empty if there
    /// is a choice, or if the text so far could be cut into tokens in another way.
    ///
    /// # Errors
    /// As [`Self::restrict`].
    pub fn forced(&mut self) -> Result<Vec<u32>> {
        if self.matcher.is_stopped() {
            return Ok(Vec::new());
        }
        let forced = self.matcher.consume_ff_tokens();
        if let Some(error) = self.matcher.get_error() {
            return Err(self.blame.error(error));
        }
        self.timings.forced_tokens += forced.len();
        Ok(forced)
    }

    /// Whether the text so far is complete: it may end here, or go on.
    ///
    /// # Errors
    /// As [`Self::restrict`].
    pub fn is_accepting(&mut self) -> Result<bool> {
        if self.is_complete() {
            return Ok(true);
        }
        self.matcher.is_accepting().map_err(|error| self.blame.error(error))
    }

    /// Whether the text so far is complete and nothing can follow.
    pub fn is_complete(&self) -> bool {
        matches!(self.matcher.stop_reason(), StopReason::NoExtension | StopReason::EndOfSentence)
    }

    /// What it has cost so far.
    pub fn timings(&self) -> ConstraintTimings {
        self.timings
    }
}

/// Negative infinity wherever `mask` does not say yes.
fn apply(mask: &SimpleVob, logits: &mut [f32]) {
    let words = mask.as_slice().iter().copied().chain(std::iter::repeat(0));
    for (logits, word) in logits.chunks_mut(u32::BITS as usize).zip(words) {
        match word {
            0 => logits.fill(f32::NEG_INFINITY),
            u32::MAX => {}
            _ => {
                for (bit, logit) in logits.iter_mut().enumerate() {
                    if word >> bit & 1 == 0 {
                        *logit = f32::NEG_INFINITY;
                    }
                }
            }
        }
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
