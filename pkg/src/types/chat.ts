/** One message of a conversation, in OpenAI's shape. */
export interface ChatMessage {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  /** The text, or text parts; `null` where an assistant message only calls tools. */
  content: string | { type: "text"; text: string }[] | null;
  name?: string;
  /** What the assistant called. */
  tool_calls?: ToolCall[];
  /** In a tool's message: the call that it answers. */
  tool_call_id?: string;
  /** What the assistant thought; the model's chat template decides whether it reads it again. */
  reasoning_content?: string;
  refusal?: string | null;
}

/** A function that the model asked for; `arguments` is JSON text. */
export interface ToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

/** A piece of a call: id and name come in the first, then more of the arguments' JSON text. */
export interface ToolCallDelta {
  index: number;
  id?: string;
  type?: "function";
  function: { name?: string; arguments: string };
}

/** A function that the model may call, described by a JSON Schema. */
export interface Tool {
  type: "function";
  function: { name: string; description?: string; parameters?: Record<string, unknown>; strict?: boolean };
}

/** How tokens are chosen, and when to stop: common to chat and plain completion. */
export interface SamplingParams {
  /** Accepted for OpenAI's clients; there is one model, and its name is in the answer. */
  model?: string;
  /** At most this many new tokens; default: what is left of the context. */
  max_tokens?: number;
  /** 0 is greedy, and deterministic for one backend. */
  temperature?: number;
  top_p?: number;
  top_k?: number;
  min_p?: number;
  repetition_penalty?: number;
  presence_penalty?: number;
  frequency_penalty?: number;
  /** Token id to bias, -100 to 100. */
  logit_bias?: Record<string, number>;
  /** The same seed gives the same text. */
  seed?: number;
  /** Generation ends before any of these texts; they are not part of the answer. */
  stop?: string | string[];
  /** How many answers to write. */
  n?: number;
  /** Go on after the model's end-of-text token. */
  ignore_eos?: boolean;
  /** Add `token_ids` to every choice. */
  return_token_ids?: boolean;
  /** The form that the answer must have; it is kept token by token, whatever the model would rather say. */
  response_format?: ResponseFormat;
  /** Answer with an `AsyncIterable` of chunks. */
  stream?: boolean;
  stream_options?: StreamOptions;
  /** Aborts this call; the same as `signal` in the second argument. */
  signal?: AbortSignal;
}

/**
 * The form of an answer. An answer whose `finish_reason` is `"stop"` has it; one that `max_tokens` cut off says
 * `"length"`. A form that cannot be enforced is an error before anything is generated: `unsupported_schema`, which
 * names keyword and place, or `invalid_request`.
 */
export type ResponseFormat =
  | { type: "text" }
  /** Any JSON object. */
  | { type: "json_object" }
  /** JSON that a JSON Schema accepts, its properties in the order in which the schema lists them. */
  | { type: "json_schema"; json_schema: { name?: string; description?: string; schema: JsonSchema; strict?: boolean | null } }
  /** Text that a regular expression matches from beginning to end, in the syntax of Rust's `regex` crate. */
  | { type: "regex"; regex: string }
  /** Text that a grammar derives from `start`, in llguidance's dialect of Lark. */
  | { type: "grammar"; grammar: string };

/** A JSON Schema: an object of keywords, or `true`. */
export type JsonSchema = Record<string, unknown> | boolean;

/** Options of a stream; only allowed with `stream: true`. */
export interface StreamOptions {
  /** End with one more chunk that has no choices but `usage` and `timings`. */
  include_usage?: boolean;
}

/** Parameters of `chat.completions.create`. */
export interface ChatParams extends SamplingParams {
  messages: ChatMessage[];
  /** OpenAI's newer name of `max_tokens`. */
  max_completion_tokens?: number;
  /** Passed to the chat template, for models that can think aloud. */
  enable_thinking?: boolean;
  /** Functions that the model may call. Arguments keep to their schemas from the moment that a call has begun. */
  tools?: Tool[];
  /** Whether the model decides (`"auto"`, the default), calls nothing, or must call something, or this function. */
  tool_choice?: "auto" | "none" | "required" | { type: "function"; function: { name: string } };
  /** Whether there may be several calls in a turn; default true. */
  parallel_tool_calls?: boolean;
  /** Passed to the chat template, for models that answer from documents. */
  documents?: Record<string, unknown>[];
  /** Tell how likely each token was, to the model's mind: before temperature, penalties, biases and constraints. */
  logprobs?: boolean;
  /** And the likeliest ones in its place: this many, up to 20. */
  top_logprobs?: number;
}

/** Parameters of `completions.create`. */
export interface CompletionParams extends SamplingParams {
  /** Text, or token ids, which are used exactly as given. */
  prompt: string | number[];
  /** Begin the answer with the prompt. */
  echo?: boolean;
  /** Tell how likely each token was, and this many of the likeliest in its place, up to 20; with `echo`, the prompt's too. */
  logprobs?: number;
}

/** Parameters of `embeddings.create`. */
export interface EmbeddingParams {
  /** Accepted for OpenAI's clients; there is one model. */
  model?: string;
  /** A text, several, or their token ids, which are used exactly as given. */
  input: string | string[] | number[] | number[][];
  /** `"base64"` gives the vectors as little-endian 32-bit floats in base64; OpenAI's client asks for it by itself. */
  encoding_format?: "float" | "base64";
  /** Only the model's own width. */
  dimensions?: number;
  /** Aborts this call; the same as `signal` in the second argument. */
  signal?: AbortSignal;
}

/** Vectors of texts, each of length 1: their product is the cosine of their angle. */
export interface EmbeddingResponse<Vector = number[]> {
  object: "list";
  model: string;
  data: { object: "embedding"; index: number; embedding: Vector }[];
  usage: { prompt_tokens: number; total_tokens: number };
}

/** Per-call options that are not part of the request. */
export interface CallOptions {
  signal?: AbortSignal;
}

/** Why an answer ended. */
export type FinishReason = "stop" | "length" | "tool_calls";

/** A token and how likely it was. */
export interface TokenLogprob extends Likelihood {
  /** The likeliest tokens in its place, the likeliest first. */
  top_logprobs: Likelihood[];
}

/** A token and the natural logarithm of its probability. */
export interface Likelihood {
  token: string;
  bytes: number[] | null;
  logprob: number;
}

/** How likely the tokens of a chat's answer were. */
export interface ChatLogprobs {
  content: TokenLogprob[];
  refusal: null;
}

/** How likely the tokens of a completion were, in the legacy API's columns; the first of a text has no probability. */
export interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[];
  /** Where each token's text begins. */
  text_offset: number[];
}

/** Token counts of one call. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** Prompt tokens that an earlier call had already computed. */
  prompt_tokens_details: { cached_tokens: number };
  /** Tokens of thoughts. */
  completion_tokens_details: { reasoning_tokens: number };
}

/** Where the time of one call went, in milliseconds and tokens per second. */
export interface Timings {
  load_ms?: number;
  prompt_tokens: number;
  prompt_ms: number;
  prompt_per_second: number;
  completion_tokens: number;
  decode_ms: number;
  decode_per_second: number;
  first_token_ms: number;
  /** With a `response_format`: what it cost. The times are part of those above. */
  constraint?: {
    /** Until the constraint was ready. */
    compile_ms: number;
    /** All masks of allowed tokens together. */
    mask_ms: number;
    /** How many masks: one for each token that was drawn. */
    masks: number;
    /** Tokens that were not drawn, because nothing else could follow; they went through the model in batches. */
    forced_tokens: number;
  };
}

/** A whole answer to `chat.completions.create`. */
export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  choices: {
    index: number;
    /** `content` is null where the model calls tools and says nothing. */
    message: { role: "assistant"; content: string | null; refusal: null; reasoning_content?: string; tool_calls?: ToolCall[] };
    logprobs: ChatLogprobs | null;
    finish_reason: FinishReason;
    token_ids?: number[];
  }[];
  usage: Usage;
  timings: Timings;
}

/** One piece of a streamed chat answer. */
export interface ChatChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  choices: {
    index: number;
    delta: { role?: "assistant"; content?: string; reasoning_content?: string; tool_calls?: ToolCallDelta[] };
    logprobs: ChatLogprobs | null;
    finish_reason: FinishReason | null;
    token_ids?: number[];
  }[];
  /** Present with `include_usage`: null, except in the last chunk. */
  usage?: Usage | null;
  /** In the last chunk, with `include_usage`. */
  timings?: Timings;
}

/** A whole answer to `completions.create`. */
export interface Completion {
  id: string;
  object: "text_completion";
  created: number;
  model: string;
  choices: { index: number; text: string; logprobs: CompletionLogprobs | null; finish_reason: "stop" | "length"; token_ids?: number[] }[];
  usage: Usage;
  timings: Timings;
}

/** One piece of a streamed plain completion. */
export interface CompletionChunk {
  id: string;
  object: "text_completion";
  created: number;
  model: string;
  choices: { index: number; text: string; logprobs: CompletionLogprobs | null; finish_reason: "stop" | "length" | null; token_ids?: number[] }[];
  /** Present with `include_usage`: null, except in the last chunk. */
  usage?: Usage | null;
  /** In the last chunk, with `include_usage`. */
  timings?: Timings;
}
