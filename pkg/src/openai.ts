// Pure mapping from what the engine says to OpenAI's objects.
import type { ChatChunk, ChatCompletion, Completion, CompletionChunk, FinishReason, Timings, Usage } from "./types/chat.js";

/** One event of the wasm façade's `generate`. */
export type GenerateEvent =
  | { type: "start"; prompt_tokens: number; cached_tokens: number }
  | { type: "delta"; index: number; text: string; token_ids: number[] }
  | { type: "finish"; index: number; finish_reason: FinishReason };

/** What the wasm façade's `generate` resolves to. */
export interface GenerateResult {
  choices: { index: number; text: string; token_ids: number[]; finish_reason: FinishReason }[];
  usage: Usage;
  timings: Timings;
  model: string;
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
  /** The chunks that an event becomes. */
  chunks(head: Head, event: GenerateEvent, opened: Set<number>): Chunk[];
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
    choices: choices.map(({ index, text, token_ids, finish_reason }) => ({
      index,
      message: { role: "assistant", content: text, refusal: null },
      logprobs: null,
      finish_reason,
      ...ids(head, token_ids),
    })),
    usage,
    timings,
  }),

  chunks(head, event, opened) {
    if (event.type === "start") return [];
    const { index } = event;
    // The first chunk of a choice carries the role, as OpenAI's does.
    const role: { role?: "assistant" } = opened.has(index) ? {} : { role: "assistant" };
    opened.add(index);
    const choice =
      event.type === "delta"
        ? { delta: { ...role, content: event.text }, finish_reason: null, ...ids(head, event.token_ids) }
        : { delta: role, finish_reason: event.finish_reason };
    return [{ ...chatChunkHead(head), choices: [{ index, logprobs: null, ...choice }], ...noUsageYet(head) }];
  },

  usageChunk: (head, { usage, timings }) => ({ ...chatChunkHead(head), choices: [], usage, timings }),
};

function chatChunkHead({ id, created, model }: Head): Pick<ChatChunk, "id" | "object" | "created" | "model"> {
  return { id, object: "chat.completion.chunk", created, model };
}

export const completion: Shape<Completion, CompletionChunk> = {
  idPrefix: "cmpl-",

  whole: (head, { choices, usage, timings, model }) => ({
    ...completionHead({ ...head, model }),
    choices: choices.map(({ index, text, token_ids, finish_reason }) => ({
      index,
      text,
      logprobs: null,
      finish_reason,
      ...ids(head, token_ids),
    })),
    usage,
    timings,
  }),

  chunks(head, event) {
    if (event.type === "start") return [];
    const choice =
      event.type === "delta"
        ? { text: event.text, finish_reason: null, ...ids(head, event.token_ids) }
        : { text: "", finish_reason: event.finish_reason };
    return [{ ...completionHead(head), choices: [{ index: event.index, logprobs: null, ...choice }], ...noUsageYet(head) }];
  },

  usageChunk: (head, { usage, timings }) => ({ ...completionHead(head), choices: [], usage, timings }),
};

function completionHead({ id, created, model }: Head): Pick<Completion, "id" | "object" | "created" | "model"> {
  return { id, object: "text_completion", created, model };
}

/** The head of a new answer. */
export function newHead(idPrefix: string, model: string, tokenIds: boolean, includeUsage: boolean): Head {
  // Not randomUUID: pages without https do not have it.
  const random = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0"));
  return { id: idPrefix + random.join(""), created: Math.floor(Date.now() / 1000), model, tokenIds, includeUsage };
}
