// How long it takes from a model in the browser's cache to its first token: the package and wllama, each from its own
// cache, in turns, in one profile on disk. `node tools/bench-cached.mjs --model FILE [--runs N]`
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { median } from "./bench-report.mjs";
import { peerFolder } from "./bench-turn.mjs";
import { findChromium, flags } from "./chromium.mjs";
import { serve } from "./serve.mjs";
import { packageFolder } from "./site.mjs";

const { values } = parseArgs({ options: { model: { type: "string" }, runs: { type: "string", default: "5" } } });
if (!values.model) throw new Error("--model FILE: which GGUF?");
const model = resolve(values.model);
const site = await serve({
  models: [model],
  folders: { ...packageFolder, "/wllama/": join(peerFolder, "esm") },
  pages: { "/": '<!doctype html><link rel="icon" href="data:,">' },
});
const profile = mkdtempSync(join(tmpdir(), "tabmind-bench-"));
const browser = await chromium.launchPersistentContext(profile, { executablePath: findChromium(), headless: true, args: flags });

/** Milliseconds from the call of `load` to the first token, each in a fresh page. The same context for both. */
const engines = {
  async tabmind(url) {
    const { load } = await import("/pkg/index.js");
    const started = performance.now();
    const engine = await load(url, { contextLength: 512, threads: 1 });
    const loaded = performance.now();
    await engine.completions.create({ prompt: "Once upon a time", max_tokens: 1, temperature: 0, ignore_eos: true });
    const ended = performance.now();
    await engine.close();
    return { total: ended - started, load: loaded - started, cached: engine.info.cached };
  },
  async wllama(url) {
    const { Wllama } = await import("/wllama/index.js");
    const silent = { debug() {}, log() {}, warn() {}, error: (...parts) => console.error(...parts) };
    const started = performance.now();
    const engine = new Wllama({ default: new URL("/wllama/wasm/wllama.wasm", location.href).href }, { logger: silent });
    await engine.loadModelFromUrl(new URL(url, location.href).href, { n_ctx: 512, n_threads: 1, n_parallel: 1, n_gpu_layers: 0 });
    const loaded = performance.now();
    await engine.createCompletion({ prompt: "Once upon a time", max_tokens: 1, temperature: 0, ignore_eos: true, stream: true, onData() {} });
    const ended = performance.now();
    await engine.exit();
    return { total: ended - started, load: loaded - started, cached: true };
  },
};

async function turn(name) {
  const page = await browser.newPage();
  try {
    await page.goto(site.url);
    return await page.evaluate(engines[name], `/models/${encodeURIComponent(basename(model))}`);
  } finally {
    await page.close();
  }
}

try {
  const times = { tabmind: [], wllama: [] };
  for (const name of Object.keys(engines)) await turn(name); // downloads
  for (let run = 0; run < Number(values.runs); run += 1) {
    for (const name of Object.keys(engines)) {
      const result = await turn(name);
      if (!result.cached) throw new Error(`${name} did not take the model from its cache`);
      times[name].push(result);
    }
  }
  const ms = (list) => `${Math.round(median(list))} (${Math.round(Math.min(...list))} to ${Math.round(Math.max(...list))}) ms`;
  for (const [name, results] of Object.entries(times)) {
    console.log(`${name}: ${ms(results.map(({ total }) => total))} to the first token, of which load ${ms(results.map(({ load }) => load))}`);
  }
  const totals = Object.values(times).map((results) => median(results.map(({ total }) => total)));
  console.log(`ratio ${(totals[0] / totals[1]).toFixed(2)}`);
} finally {
  await browser.close();
  await site.close();
  rmSync(profile, { recursive: true, force: true });
}
