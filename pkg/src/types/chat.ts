/** One message of a conversation, in OpenAI's shape. */
export interface ChatMessage {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  /** The text, or text parts; `null` where an assistant message only calls tools. */
  content: string | { type: "text"; text: string }[] | null;
  name?: string;
  tool_calls?: ToolCall[];
  tool_call_id?: string;
}

/** A function that the model asked for; `arguments` is JSON text. */
export interface ToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
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
  /** Answer with an `AsyncIterable` of chunks. */
  stream?: boolean;
  stream_options?: StreamOptions;
  /** Aborts this call; the same as `signal` in the second argument. */
  signal?: AbortSignal;
}

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
  /** The form of the answer; only free text so far. */
  response_format?: { type: "text" };
  /** Passed to the chat template, for models that can think aloud. */
  enable_thinking?: boolean;
}

/** Parameters of `completions.create`. */
export interface CompletionParams extends SamplingParams {
  /** Text, or token ids, which are used exactly as given. */
  prompt: string | number[];
  /** Begin the answer with the prompt. */
  echo?: boolean;
}

/** Per-call options that are not part of the request. */
export interface CallOptions {
  signal?: AbortSignal;
}

/** Why an answer ended. */
export type FinishReason = "stop" | "length";

/** Token counts of one call. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** Prompt tokens that an earlier call had already computed. */
  prompt_tokens_details: { cached_tokens: number };
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
}

/** A whole answer to `chat.completions.create`. */
export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  choices: {
    index: number;
    message: { role: "assistant"; content: string; refusal: null };
    logprobs: null;
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
    delta: { role?: "assistant"; content?: string };
    logprobs: null;
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
  choices: { index: number; text: string; logprobs: null; finish_reason: FinishReason; token_ids?: number[] }[];
  usage: Usage;
  timings: Timings;
}

/** One piece of a streamed plain completion. */
export interface CompletionChunk {
  id: string;
  object: "text_completion";
  created: number;
  model: string;
  choices: { index: number; text: string; logprobs: null; finish_reason: FinishReason | null; token_ids?: number[] }[];
  /** Present with `include_usage`: null, except in the last chunk. */
  usage?: Usage | null;
  /** In the last chunk, with `include_usage`. */
  timings?: Timings;
}
