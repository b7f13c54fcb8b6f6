// Pure mapping from what the engine says to OpenAI's objects.
import type {
  ChatChunk,
  ChatCompletion,
  ChatLogprobs,
  Completion,
  CompletionChunk,
  CompletionLogprobs,
  FinishReason,
  Timings,
  TokenLogprob,
  Usage,
} from "./types/chat.js";

/** One event of the wasm façade's `generate`. Parts of a delta that are empty are left out. */
export type GenerateEvent =
  | { type: "start"; prompt_tokens: number; cached_tokens: number }
  | ({ type: "delta"; index: number } & WireDelta)
  | { type: "finish"; index: number; finish_reason: FinishReason };

/** A piece of an answer. */
interface WireDelta {
  text?: string;
  reasoning?: string;
  tool_calls?: { index: number; id?: string; name?: string; arguments: string }[];
  token_ids: number[];
  logprobs?: TokenLogprob[];
}

/** What the wasm façade's `generate` resolves to. */
export interface GenerateResult {
  choices: WireChoice[];
  usage: Usage;
  timings: Timings;
  model: string;
}

/** A whole answer. */
interface WireChoice {
  index: number;
  text: string;
  reasoning?: string;
  tool_calls?: { id: string; name: string; arguments: string }[];
  token_ids: number[];
  logprobs?: TokenLogprob[];
  finish_reason: FinishReason;
}

/** What the objects of one answer have in common. */
export interface Head {
  id: string;
  created: number;
  model: string;
  tokenIds: boolean;
  includeUsage: boolean;
}

/** The two shapes of an answer: whole, and in chunks. */
export interface Shape<Whole, Chunk> {
  idPrefix: string;
  whole(head: Head, result: GenerateResult): Whole;
  /** The chunks that an event becomes; `written` has the characters of each choice that went out before. */
  chunks(head: Head, event: GenerateEvent, written: Map<number, number>): Chunk[];
  /** The chunk after the last choice, with `include_usage`. */
  usageChunk(head: Head, result: GenerateResult): Chunk;
}

const ids = (head: Head, token_ids: number[]): { token_ids?: number[] } => (head.tokenIds ? { token_ids } : {});

/** OpenAI sends `usage: null` in every chunk but the last when usage was asked for. */
const noUsageYet = (head: Head): { usage?: null } => (head.includeUsage ? { usage: null } : {});

export const chat: Shape<ChatCompletion, ChatChunk> = {
  idPrefix: "chatcmpl-",

  whole: (head, { choices, usage, timings, model }) => ({
    id: head.id,
    object: "chat.completion",
    created: head.created,
    model,
    choices: choices.map((choice) => ({
      index: choice.index,
      message: message(choice),
      logprobs: chatLogprobs(choice.logprobs),
      finish_reason: choice.finish_reason,
      ...ids(head, choice.token_ids),
    })),
    usage,
    timings,
  }),

  chunks(head, event, written) {
    if (event.type === "start") return [];
    const { index } = event;
    // The first chunk of a choice carries the role, as OpenAI's does.
    const role: { role?: "assistant" } = written.has(index) ? {} : { role: "assistant" };
    written.set(index, 0);
    const choice =
      event.type === "delta"
        ? { delta: { ...role, ...delta(event) }, logprobs: chatLogprobs(event.logprobs), finish_reason: null, ...ids(head, event.token_ids) }
        : { delta: role, logprobs: null, finish_reason: event.finish_reason };
    return [{ ...chatChunkHead(head), choices: [{ index, ...choice }], ...noUsageYet(head) }];
  },

  usageChunk: (head, { usage, timings }) => ({ ...chatChunkHead(head), choices: [], usage, timings }),
};

/** A text is null only where there are calls instead of it. */
function message({ text, reasoning, tool_calls: calls }: WireChoice): ChatCompletion["choices"][number]["message"] {
  return {
    role: "assistant",
    content: text === "" && calls !== undefined ? null : text,
    refusal: null,
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    ...(calls === undefined
      ? {}
      : { tool_calls: calls.map(({ id, name, arguments: json }) => ({ id, type: "function" as const, function: { name, arguments: json } })) }),
  };
}

function delta({ text, reasoning, tool_calls: calls }: WireDelta): ChatChunk["choices"][number]["delta"] {
  return {
    ...(text === undefined ? {} : { content: text }),
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    ...(calls === undefined
      ? {}
      : {
          tool_calls: calls.map(({ index, id, name, arguments: json }) => ({
            index,
            ...(id === undefined ? {} : { id, type: "function" as const }),
            function: { ...(name === undefined ? {} : { name }), arguments: json },
          })),
        }),
  };
}

function chatLogprobs(content: TokenLogprob[] | undefined): ChatLogprobs | null {
  return content === undefined ? null : { content, refusal: null };
}

function chatChunkHead({ id, created, model }: Head): Pick<ChatChunk, "id" | "object" | "created" | "model"> {
  return { id, object: "chat.completion.chunk", created, model };
}

export const completion: Shape<Completion, CompletionChunk> = {
  idPrefix: "cmpl-",

  whole: (head, { choices, usage, timings, model }) => ({
    ...completionHead({ ...head, model }),
    choices: choices.map(({ index, text, token_ids, logprobs, finish_reason }) => ({
      index,
      text,
      logprobs: completionLogprobs(logprobs, 0),
      finish_reason: withoutCalls(finish_reason),
      ...ids(head, token_ids),
    })),
    usage,
    timings,
  }),

  chunks(head, event, written) {
    if (event.type === "start") return [];
    const { index } = event;
    const before = written.get(index) ?? 0;
    const text = (event.type === "delta" ? event.text : "") ?? "";
    written.set(index, before + text.length);
    const choice =
      event.type === "delta"
        ? { logprobs: completionLogprobs(event.logprobs, before), finish_reason: null, ...ids(head, event.token_ids) }
        : { logprobs: null, finish_reason: withoutCalls(event.finish_reason) };
    return [{ ...completionHead(head), choices: [{ index, text, ...choice }], ...noUsageYet(head) }];
  },

  usageChunk: (head, { usage, timings }) => ({ ...completionHead(head), choices: [], usage, timings }),
};

/** In the shape of the legacy API; `offset` is where the first token's text begins. */
function completionLogprobs(logprobs: TokenLogprob[] | undefined, offset: number): CompletionLogprobs | null {
  if (logprobs === undefined) return null;
  let next = offset;
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top_logprobs: top }) => Object.fromEntries(top.map(({ token, logprob }) => [token, logprob]))),
    text_offset: logprobs.map(({ token }) => (next += token.length) - token.length),
  };
}

/** A plain completion calls nothing. */
function withoutCalls(reason: FinishReason): "stop" | "length" {
  return reason === "length" ? "length" : "stop";
}

function completionHead({ id, created, model }: Head): Pick<Completion, "id" | "object" | "created" | "model"> {
  return { id, object: "text_completion", created, model };
}

/** The head of a new answer. */
export function newHead(idPrefix: string, model: string, tokenIds: boolean, includeUsage: boolean): Head {
  // Not randomUUID: pages without https do not have it.
  const random = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0"));
  return { id: idPrefix + random.join(""), created: Math.floor(Date.now() / 1000), model, tokenIds, includeUsage };
}
