// The engine as the caller holds it: reads arguments, sends calls, maps answers.
import type { Connection } from "./connection.js";
import { embeddings } from "./embeddings.js";
import { TabmindError, invalid } from "./errors.js";
import { chat, completion, newHead, type GenerateEvent, type GenerateResult, type Shape } from "./openai.js";
import { readRequest, show, toJson } from "./request.js";
import { toolRunner } from "./run-tools.js";
import { ChunkStream } from "./stream.js";
import { tokenizer } from "./tokenize.js";
import type { CallOptions } from "./types/chat.js";
import type { ChatCompletions, Completions, Engine, EngineInfo, EngineStats, Score } from "./types/engine.js";

/** An engine over a worker that has loaded a model. */
export function createEngine(connection: Connection, info: EngineInfo): Engine {
  connection.onInfo = (json) => void Object.assign(info, JSON.parse(json));
  const create = creator(connection, info, "chat", chat) as ChatCompletions["create"];
  return {
    info,
    chat: { completions: { create } },
    embeddings: embeddings(connection, info),
    runTools: toolRunner(create),
    completions: { create: creator(connection, info, "completion", completion) as Completions["create"] },
    tokenize: tokenizer(connection),
    detokenize: async (ids) => connection.call({ method: "detokenize", args: [readIds(ids)] }),
    countTokens: async (input, options = {}) =>
      connection.call({ method: "countTokens", args: [toJson("input", input), toJson("options", options)] }),
    score: async (input, options = {}) => {
      const signals = options.signal === undefined ? [] : [options.signal];
      return JSON.parse(await connection.call({ method: "score", args: [toJson("input", input)] }, { signals })) as Score;
    },
    applyChatTemplate: async (messages, options = {}) =>
      connection.call({
        method: "applyChatTemplate",
        args: [toJson("messages", messages), toJson("options", options)],
      }),
    stats: async () => JSON.parse(await connection.call({ method: "stats", args: [] })) as EngineStats,
    seal: async () => {
      info.sealed = (await connection.call({ method: "seal", args: [] })) as "csp" | "scope";
    },
    networkRequests: () => connection.requests.map((request) => ({ ...request })),
    close: async () => connection.end(new TabmindError("closed", "the engine was closed", { hint: "load the model again" })),
  };
}

/** `create` for one shape of answer. */
function creator<Whole, Chunk>(connection: Connection, info: EngineInfo, kind: "chat" | "completion", shape: Shape<Whole, Chunk>) {
  return async (params: unknown, options?: CallOptions): Promise<Whole | AsyncIterable<Chunk>> => {
    const { json, stream, includeUsage, tokenIds, signals } = readRequest(kind, params, options);
    const head = newHead(shape.idPrefix, info.name, tokenIds, includeUsage);
    if (stream) return openStream(connection, json, signals, shape, head);
    const result = await connection.call({ method: "generate", args: [json] }, { signals });
    return shape.whole(head, JSON.parse(result) as GenerateResult);
  };
}

/** Resolves when generation has started, so that a bad request rejects the call itself and not the reading. */
function openStream<Chunk>(
  connection: Connection,
  json: string,
  signals: AbortSignal[],
  shape: Shape<unknown, Chunk>,
  head: ReturnType<typeof newHead>,
): Promise<AsyncIterable<Chunk>> {
  const left = new AbortController();
  const stream = new ChunkStream<Chunk>(() => left.abort());
  const written = new Map<number, number>();
  return new Promise((resolve, reject) => {
    const onEvent = (eventJson: string): void => {
      const event = JSON.parse(eventJson) as GenerateEvent;
      if (event.type === "start") resolve(stream);
      else stream.push(shape.chunks(head, event, written));
    };
    connection.call({ method: "generate", args: [json] }, { signals: [...signals, left.signal], onEvent }).then(
      (resultJson) => {
        if (head.includeUsage) stream.push([shape.usageChunk(head, JSON.parse(resultJson) as GenerateResult)]);
        stream.end();
      },
      (error: Error) => {
        stream.end(error);
        reject(error); // without effect once the stream was handed out
      },
    );
  });
}

/** Typed arrays would wrap other numbers silently. */
function readIds(ids: ArrayLike<number>): Uint32Array {
  if (typeof ids !== "object" || ids === null || typeof ids.length !== "number") {
    throw invalid("ids", `expected an array of token ids, found ${show(ids)}`);
  }
  return Uint32Array.from(ids, (id, index) => {
    if (!Number.isInteger(id) || id < 0 || id > 0xffff_ffff) throw invalid(`ids[${index}]`, `expected a token id, found ${show(id)}`);
    return id;
  });
}
