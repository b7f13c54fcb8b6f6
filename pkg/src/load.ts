// Starts a worker for a model: where the package's files are, what the model's parts are, which options go to Rust.
import { type Build, type BuildName, chooseBuild } from "./build.js";
import { Connection } from "./connection.js";
import { createEngine } from "./engine.js";
import { TabmindError, abortError, invalid } from "./errors.js";
import type { Part } from "./protocol.js";
import { fields, readSignal, show, toJson } from "./request.js";
import type { Engine, EngineInfo, Estimate, LoadOptions, ModelPart, ModelSource, NetworkRequest, Progress } from "./types/engine.js";

/**
 * Loads a model into a new worker.
 *
 * @example
 * const engine = await load("/models/smollm2-135m-q4_0.gguf", { onProgress: ({ loaded, total }) => console.log(loaded / total) });
 */
export async function load(model: ModelSource, options: LoadOptions = {}): Promise<Engine> {
  const { connection, json } = await start("load", model, options);
  measureScripts(connection.requests);
  const engine = createEngine(connection, { ...(JSON.parse(json) as EngineInfo), sealed: false });
  if (options.seal === true) await engine.seal();
  return engine;
}

/**
 * What `load` with the same arguments would take: memory, bytes to download, and whether it fits. Reads only the
 * model's header; that a model does not fit is an answer and not an error.
 *
 * @example
 * const { fits, reason, downloadBytes } = await estimate("/models/smollm2-135m-q4_0.gguf");
 */
export async function estimate(model: ModelSource, options: LoadOptions = {}): Promise<Estimate> {
  const { connection, json } = await start("estimate", model, options);
  connection.end(new TabmindError("closed", "the estimate is made"));
  return JSON.parse(json) as Estimate;
}

/** Starts a worker with its first message. It is left running if that succeeds. */
async function start(type: "load" | "estimate", model: ModelSource, options: LoadOptions): Promise<{ connection: Connection; json: string }> {
  const { onProgress, signal, assets, seal, ...forRust } = fields("options", options) as LoadOptions;
  const signals = readSignal("signal", signal);
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw invalid("onProgress", `expected a function, found ${show(onProgress)}`);
  }
  if (seal !== undefined && typeof seal !== "boolean") throw invalid("seal", `expected true or false, found ${show(seal)}`);
  toJson("options", forRust); // before anything else happens: what cannot be sent is the caller's mistake
  if (typeof Worker === "undefined") {
    throw new TabmindError("invalid_request", `${type}() needs Web Workers, and there are none here`, {
      hint: "call it in a browser; importing the package elsewhere, as in server-side rendering, is fine",
    });
  }
  const parts = await readModel(model, assets);
  if (type === "load" && forRust.cache !== "none" && parts.some((part) => typeof part === "string")) askToPersist();
  if (signals.some(({ aborted }) => aborted)) throw abortError();

  const build = chooseBuild(forRust);
  const connection = new Connection(startWorker(assets, build.name), (json) => onProgress?.(JSON.parse(json) as Progress));
  try {
    const wasmUrl = assets === undefined ? null : assetUrl(assets, `tabmind-${build.name}_bg.wasm`);
    const message = { type, wasmUrl, threads: build.threads, parts, options: toJson("options", withFlights(withThreads(forRust, build))) };
    return { connection, json: await connection.start(message, signals) };
  } catch (error) {
    connection.end(new TabmindError("closed", `the ${type} failed`));
    throw error;
  }
}

/** The threads that there will be, where the caller left it open or wants more than there are; mistakes are left to Rust. */
function withThreads(options: LoadOptions, { threads }: Build): LoadOptions {
  return options.threads === undefined || options.threads > 1 ? { ...options, threads } : options;
}

/**
 * More tokens in flight in Firefox, where the caller left it open: it looks every 100 ms whether the GPU is done, and a page
 * that waits for each token writes ten in a second.
 */
function withFlights(options: LoadOptions): LoadOptions {
  return navigator.userAgent.includes("Firefox/") ? { ...options, tokensInFlight: options.tokensInFlight ?? 8 } : options;
}

/**
 * Asks the browser not to clear what is stored here by itself. Only a page may ask; loading does not wait for the answer,
 * which some browsers leave to the user.
 */
function askToPersist(): void {
  // Absent on insecure origins.
  void navigator.storage?.persist?.().catch(() => {});
}

/** The worker reports its own script first; its size, and what it imports, are in the page's timeline only. */
function measureScripts(requests: NetworkRequest[]): void {
  const script = requests[0];
  if (script === undefined) return;
  const glue = script.url.replace(/worker-(?=[^/]*$)/u, "tabmind-");
  const imports = ["worker.js", "threads.js", "seal.js"].map((file) => new URL(file, script.url).href);
  const measured = [script.url, glue, ...imports].flatMap((url) => {
    const entry = performance.getEntriesByName(url, "resource").at(-1) as PerformanceResourceTiming | undefined;
    return entry === undefined ? [] : [{ url, bytes: entry.encodedBodySize, at: performance.timeOrigin + entry.startTime }];
  });
  if (measured.length > 0) requests.splice(0, 1, ...measured);
}

async function readModel(model: ModelSource, assets: LoadOptions["assets"]): Promise<Part[]> {
  if (!Array.isArray(model)) return [await readPart("model", model, assets)];
  if (model.length === 0) throw invalid("model", "expected at least one file, found an empty array");
  return Promise.all(model.map((part, index) => readPart(`model[${index}]`, part, assets)));
}

async function readPart(field: string, part: ModelPart, assets: LoadOptions["assets"]): Promise<Part> {
  if (part instanceof Blob) return part;
  if (part instanceof URL) return part.href;
  if (part instanceof ArrayBuffer) return toBlob(new Uint8Array(part));
  if (part instanceof Uint8Array) return toBlob(part);
  if (typeof part !== "string") {
    throw invalid(field, `expected a URL, File, Blob, ArrayBuffer or Uint8Array, found ${show(part)}`);
  }
  if (part.startsWith("hf:")) return part;
  if (part.startsWith("embedded:")) return embeddedUrl(part.slice("embedded:".length), assets);
  try {
    return new URL(part, document.baseURI).href;
  } catch (cause) {
    throw new TabmindError("invalid_request", `${field}: ${show(part)} is not a URL`, { cause });
  }
}

/** The literal form is the one that bundlers know: in a bundle the model lies where they put it. */
function embeddedUrl(name: string, assets: LoadOptions["assets"]): string {
  if (name === "desk" && assets === undefined) return new URL("./models/desk.gguf", import.meta.url).href;
  return assetUrl(assets, `models/${name}.gguf`);
}

/**
 * Bytes as a blob, which the worker reads by range. Copied piece by piece with pauses, because copying a model at once
 * would block the page; transferring would not, but it would take the caller's buffer away.
 */
async function toBlob(bytes: Uint8Array): Promise<Blob> {
  const pieceBytes = 4 << 20;
  const pieces: Blob[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    if (at > 0) await new Promise((resolve) => setTimeout(resolve));
    pieces.push(new Blob([bytes.subarray(at, at + pieceBytes) as Uint8Array<ArrayBuffer>]));
  }
  return new Blob(pieces);
}

/** The absolute URL of one of the package's files. */
export function assetUrl(assets: LoadOptions["assets"], file: string): string {
  if (typeof assets === "function") return new URL(assets(file), document.baseURI).href;
  if (assets === undefined) return new URL(file, besideThisModule()).href;
  const base = new URL(assets, document.baseURI).href;
  return new URL(file, base.endsWith("/") ? base : `${base}/`).href;
}

// Not `new URL(file, import.meta.url)`, which bundlers would take for an asset of their own.
function besideThisModule(): string {
  return import.meta.url.replace(/[^/]*$/u, "");
}

/** Blob URLs of the scripts that start a worker of another origin, by its URL: one each, for as long as the page lives. */
const starters = new Map<string, string>();

/** Starts the package's worker for one of its modules. */
export function startWorker(assets: LoadOptions["assets"], build: BuildName): Worker {
  if (assets === undefined && !isFromElsewhere(new URL(import.meta.url))) return startOwnWorker(build);
  const options: WorkerOptions = { type: "module", name: `tabmind-${build}` };
  const url = assetUrl(assets, `worker-${build}.js`);
  if (new URL(url).origin === location.origin) return new Worker(url, options);
  // A worker must come from the page's origin, but may import from any that allows it by CORS.
  let starter = starters.get(url);
  if (starter === undefined) {
    starter = URL.createObjectURL(new Blob([`import ${JSON.stringify(url)};`], { type: "text/javascript" }));
    starters.set(url, starter);
  }
  return new Worker(starter, options);
}

/** Whether a module comes from another origin. webpack writes a `file:` URL in place of `import.meta.url`: it is from here. */
function isFromElsewhere({ protocol, origin }: URL): boolean {
  return protocol !== "file:" && origin !== location.origin;
}

/** Bundlers know exactly this form, in which everything is literal; webpack also names the worker's file after `name`. */
function startOwnWorker(build: BuildName): Worker {
  switch (build) {
    case "simd":
      return new Worker(new URL("./worker-simd.js", import.meta.url), { type: "module", name: "tabmind-simd" });
    case "relaxed":
      return new Worker(new URL("./worker-relaxed.js", import.meta.url), { type: "module", name: "tabmind-relaxed" });
    case "simd-threads":
      return new Worker(new URL("./worker-simd-threads.js", import.meta.url), { type: "module", name: "tabmind-simd-threads" });
    case "relaxed-threads":
      return new Worker(new URL("./worker-relaxed-threads.js", import.meta.url), { type: "module", name: "tabmind-relaxed-threads" });
  }
}
