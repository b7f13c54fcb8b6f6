// What is kept of models in this browser: a question to a worker that lives as long as the answer takes.
import { chooseBuild } from "./build.js";
import { Connection } from "./connection.js";
import { TabmindError, invalid } from "./errors.js";
import { assetUrl, startWorker } from "./load.js";
import { fields, readSignal, show } from "./request.js";
import type { CacheOptions, CacheUsage, CacheVerification, CachedModel, ModelCache } from "./types/cache.js";

/** Models that were downloaded, in this origin's private file system. */
export const cache: ModelCache = {
  list: (options) => ask<CachedModel[]>({ op: "list" }, options),
  delete: async (model, options) => ask<number>({ op: "delete", model: readName(model) }, options),
  usage: (options) => ask<CacheUsage>({ op: "usage" }, options),
  verify: async (model, options) => ask<CacheVerification>({ op: "verify", model: readName(model) }, options),
};

/** A URL, resolved against the page as `load` does; names of the hub and hashes as they are. */
function readName(model: string | URL): string {
  if (model instanceof URL) return model.href;
  if (typeof model !== "string" || model === "") throw invalid("model", `expected a URL or a SHA-256, found ${show(model)}`);
  if (model.startsWith("hf:") || /^[0-9a-f]{64}$/iu.test(model)) return model;
  try {
    return new URL(model, document.baseURI).href;
  } catch (cause) {
    throw new TabmindError("invalid_request", `model: ${show(model)} is not a URL`, { cause });
  }
}

async function ask<Answer>(question: object, options: CacheOptions = {}): Promise<Answer> {
  const { assets, signal } = fields("options", options) as CacheOptions;
  const signals = readSignal("signal", signal);
  const { name, threads } = chooseBuild({ threads: 1 });
  const connection = new Connection(startWorker(assets, name), () => {});
  try {
    const wasmUrl = assets === undefined ? null : assetUrl(assets, `tabmind-${name}_bg.wasm`);
    const message = { type: "cache" as const, wasmUrl, threads, parts: [], options: JSON.stringify(question) };
    return JSON.parse(await connection.start(message, signals)) as Answer;
  } finally {
    connection.end(new TabmindError("closed", "the question is answered"));
  }
}
