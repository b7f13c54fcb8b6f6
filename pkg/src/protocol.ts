// What the page and its worker say to each other: a closed union in each direction. Requests, results and events are
// the JSON texts of the wasm façade, passed on unread, so that one validator (Rust) sees exactly what the user wrote.
import type { WireError } from "./errors.js";
import type { NetworkRequest } from "./types/engine.js";

/** One file of a model as the worker gets it: an absolute URL, an `hf:` name, or bytes that are read by range. */
export type Part = string | Blob;

/** Calls that the worker carries out, with what they take and give. `generate` also sends events when asked to. */
export interface Methods {
  generate(request: string): string;
  embed(params: string): string;
  tokenize(text: string, options: string): Uint32Array;
  /** Id, start and end of each token. */
  tokenizeWithOffsets(text: string, options: string): Uint32Array;
  detokenize(ids: Uint32Array): string;
  countTokens(input: string, options: string): number;
  score(input: string): string;
  applyChatTemplate(messages: string, options: string): string;
  stats(): string;
  seal(): string;
}
export type Method = keyof Methods;

/** `{ method, args }` of one call. */
export type Call = { [M in Method]: { method: M; args: Parameters<Methods[M]> } }[Method];

/** What a worker is started for. `options` of `cache` are its question. */
export type StartType = "load" | "estimate" | "cache";

/**
 * From the page. One of `StartType` comes first and once; the answer is JSON, and nothing follows it but after `load`.
 * Ids are the page's, and unique.
 */
export type ToWorker =
  | { type: StartType; id: number; wasmUrl: string | null; threads: number; parts: Part[]; options: string }
  | { type: "call"; id: number; call: Call; events: boolean }
  | { type: "abort"; id: number };

/** From the worker. After `died` nothing follows. */
export type FromWorker =
  | { type: "progress"; json: string }
  | { type: "event"; id: number; json: string }
  | { type: "result"; id: number; value: string | number | Uint32Array }
  | { type: "error"; id: number; error: WireError }
  | { type: "requests"; records: NetworkRequest[] }
  | { type: "info"; json: string }
  | { type: "died"; error: WireError };
