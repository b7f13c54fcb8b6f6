// Runs in a dedicated module Worker: starts the wasm once, carries out the page's calls, passes events on unread. The
// scripts `worker-NAME.js` bring the module; the engine's threads are workers of the same script.
import type * as Glue from "./border.js";
import type { WireError } from "./errors.js";
import type { Call, FromWorker, StartType, ToWorker } from "./protocol.js";
import { sealScope } from "./seal.js";
import { helpWgpu } from "./wgpu.js";
import { type StartThread, joinThreads, startThreads } from "./threads.js";
import type { NetworkRequest } from "./types/engine.js";

const post = (message: FromWorker): void => self.postMessage(message);

const controllers = new Map<number, AbortController>();
let glue: typeof Glue;
let scriptUrl: string;
let moduleUrl: string;
let model: Glue.WasmModel | undefined;
let reportedRequests = 0;
let reportedInfo: string | undefined;

/** Called once by the worker's script: what wasm-bindgen wrote, the script's own URL, and the module's if nobody says otherwise. */
export function serve(ownGlue: typeof Glue, ownScriptUrl: string, ownModuleUrl: string): void {
  glue = ownGlue;
  scriptUrl = ownScriptUrl;
  moduleUrl = ownModuleUrl;
  helpWgpu();
}

self.addEventListener("message", ({ data }: MessageEvent<ToWorker | StartThread>) => {
  switch (data.type) {
    case "thread":
      return void joinThreads(glue, data).catch(die);
    case "load":
      return void answer(data.id, (signal) => load(data, signal));
    case "estimate":
      return void answer(data.id, (signal) => estimate(data, signal));
    case "cache":
      return void answer(data.id, (signal) => askCache(data, signal));
    case "call":
      return void answer(data.id, (signal) => run(data.call, data.events ? data.id : undefined, signal));
    case "abort":
      return controllers.get(data.id)?.abort();
  }
});

// A trap inside a future surfaces here and not at the call, whose promise never settles.
self.addEventListener("error", (event) => {
  event.preventDefault();
  die(event.error ?? event.message);
});
self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  die(event.reason);
});
self.addEventListener("messageerror", () => die("a message to the worker could not be read"));

async function answer(id: number, work: (signal: AbortSignal) => Promise<string | number | Uint32Array>): Promise<void> {
  const controller = new AbortController();
  controllers.set(id, controller);
  try {
    const value = await work(controller.signal);
    report();
    post({ type: "result", id, value });
  } catch (error) {
    if (isWireError(error)) {
      report();
      post({ type: "error", id, error: { ...error } });
    } else die(error);
  } finally {
    controllers.delete(id);
  }
}

type Start = ToWorker & { type: StartType };

async function start({ wasmUrl, threads }: Start): Promise<void> {
  const response = await fetchWasm(wasmUrl ?? moduleUrl);
  if (threads > 1) await startThreads(glue, response, threads - 1, die);
  else await glue.default({ module_or_path: response });
}

async function estimate(message: Start, signal: AbortSignal): Promise<string> {
  await start(message);
  return glue.WasmModel.estimate(message.parts, message.options, signal);
}

async function askCache(message: Start, signal: AbortSignal): Promise<string> {
  await start(message);
  return glue.cache(message.options, signal);
}

async function load(message: Start, signal: AbortSignal): Promise<string> {
  await start(message);
  post({ type: "requests", records: ownRequests() });
  model = await glue.WasmModel.load(message.parts, message.options, (json) => post({ type: "progress", json }), signal);
  return (reportedInfo = model.info());
}

async function run(call: Call, eventsFor: number | undefined, signal: AbortSignal): Promise<string | number | Uint32Array> {
  if (model === undefined) throw new Error(`${call.method} before load`);
  switch (call.method) {
    case "generate": {
      const onEvent = (json: string): void => {
        if (eventsFor !== undefined) post({ type: "event", id: eventsFor, json });
      };
      return model.generate(...call.args, onEvent, signal);
    }
    case "tokenize":
      return model.tokenize(...call.args);
    case "tokenizeWithOffsets":
      return model.tokenizeWithOffsets(...call.args);
    case "detokenize":
      return model.detokenize(...call.args);
    case "embed":
      return model.embed(...call.args, signal);
    case "score":
      return model.score(...call.args, signal);
    case "countTokens":
      return model.countTokens(...call.args);
    case "applyChatTemplate":
      return model.applyChatTemplate(...call.args);
    case "stats":
      return model.stats();
    case "seal":
      return sealScope();
  }
}

async function fetchWasm(url: string): Promise<Response> {
  const hint = "the `assets` option says where the package's files are";
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin" });
  } catch (error) {
    throw { code: "network", message: `${url} (the wasm module) could not be fetched: ${String(error)}`, hint } satisfies WireError;
  }
  if (response.ok) return response;
  throw { code: "http_status", message: `${url} (the wasm module) answered ${response.status}`, hint } satisfies WireError;
}

/** This script, whose size only the page can know, and the wasm; the model's requests are Rust's to report. */
function ownRequests(): NetworkRequest[] {
  const entries = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  const records = entries.map(({ name, encodedBodySize, startTime }) => ({
    url: name,
    bytes: encodedBodySize,
    at: performance.timeOrigin + startTime,
  }));
  return [{ url: scriptUrl, bytes: 0, at: performance.timeOrigin }, ...records];
}

/** What the page is to know before an answer: the requests that it took, and what runs the model, should that be another engine now. */
function report(): void {
  if (model === undefined) return;
  const all = JSON.parse(model.networkRequests()) as NetworkRequest[];
  if (all.length > reportedRequests) post({ type: "requests", records: all.slice(reportedRequests) });
  reportedRequests = all.length;
  const info = model.info();
  if (info !== reportedInfo) post({ type: "info", json: info });
  reportedInfo = info;
}

function isWireError(error: unknown): error is WireError {
  return typeof error === "object" && error !== null && !(error instanceof Error) && "code" in error && "message" in error;
}

// The panic hook writes to the console; its text says more than the trap that follows.
let lastPanic: string | undefined;
const consoleError = console.error.bind(console);
console.error = (...args: unknown[]): void => {
  const text = args.map(String).join(" ");
  if (text.includes("panicked at")) lastPanic = text.split("\n\nStack:")[0];
  consoleError(...args);
};

/** Nothing that runs in this worker can be trusted any more. */
function die(error: unknown): void {
  const message = `the engine failed: ${lastPanic ?? String(error)}`;
  post({ type: "died", error: { code: "worker_died", message, hint: "load the model again; if it happens twice, please report it" } });
}
