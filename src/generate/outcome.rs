//! What the loop tells while it runs, and what it has made in the end. Field names are those that JavaScript reads.

use serde::Serialize;

use crate::constraint::ConstraintTimings;
use crate::logprobs::TokenLogprob;

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// An end-of-generation token, a stop string, or nothing that the answer's form lets follow.
    Stop,
    /// `max_tokens`, or the end of the context.
    Length,
    /// As `Stop`, and the answer calls tools.
    ToolCalls,
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
    /// More of an answer.
    Delta {
        /// Which answer.
        index: usize,
        /// What it is.
        #[serde(flatten)]
        delta: Delta,
    },
    /// An answer is complete.
    Finish {
        /// Which answer.
        index: usize,
        /// Why.
        finish_reason: FinishReason,
    },
}

/// A piece of an answer. Parts that are empty are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Delta {
    /// Text: whole characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Thoughts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// Pieces of calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<CallDelta>,
    /// Tokens since the last delta.
    pub token_ids: Vec<u32>,
    /// Their probabilities, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Vec<TokenLogprob>>,
}

/// A piece of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallDelta {
    /// Which call of the answer.
    pub index: usize,
    /// The call's id, in its first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The function's name, in its first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// More of the JSON text of the arguments.
    pub arguments: String,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolCall {
    /// Unlike that of any other call.
    pub id: String,
    /// The function.
    pub name: String,
    /// JSON text; incomplete if the answer ended before it did.
    pub arguments: String,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// Which one.
    pub index: usize,
    /// Its text.
    pub text: String,
    /// What the model thought before it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// What it calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Its tokens, the end-of-generation token not included.
    pub token_ids: Vec<u32>,
    /// Their probabilities, if asked for; with an echo, those of the prompt's tokens before them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Vec<TokenLogprob>>,
    /// How many of the tokens were thoughts.
    #[serde(skip)]
    pub reasoning_tokens: usize,
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
