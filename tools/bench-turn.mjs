// One turn of the benchmark: one engine in a browser of its own, so that neither code nor memory is left from another.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { openPackagePage } from "./page.mjs";
import { inRepository } from "./site.mjs";

export const peerFolder = inRepository("node_modules/@wllama/wllama");

/**
 * @param {object} turn
 * @param {"tabmind" | "wllama"} turn.engine
 * @param {string} turn.model path of the GGUF
 * @param {object} turn.options backend, threads, build, contextLength
 * @param {{ prompt: string, nTokens: number }[]} turn.jobs the first is the one that loading ends with, the second
 *   warms up: compilers and caches
 * @returns {Promise<{ opened: object, results: object[], peakBytes: number | null }>}
 */
export async function runTurn({ engine, model, options, jobs: [first, warmUp, ...jobs] }) {
  const { page, browser, close } = await openBenchPage([model]);
  try {
    const cpu = await processMeter(browser);
    const opened = await page.evaluate(
      async ([name, modelUrl, settings, prompt]) => (await import("/bench/bench-page.mjs")).open(name, modelUrl, settings, prompt),
      [engine, urlOf(model), options, first.prompt],
    );
    const generate = (job) =>
      page.evaluate(async ({ prompt, nTokens }) => (await import("/bench/bench-page.mjs")).generate(prompt, nTokens), job);
    await generate(warmUp);
    const results = [];
    for (const job of jobs) {
      const before = await cpu.seconds();
      const result = await generate(job);
      const cores = before === null ? null : ((await cpu.seconds()) - before) / (result.wallMs / 1000);
      results.push({ ...result, cores });
    }
    const peakBytes = await cpu.peakBytes();
    await page.evaluate(async () => (await import("/bench/bench-page.mjs")).close());
    return { opened, results, peakBytes };
  } finally {
    await close();
  }
}

/** Prompts of these numbers of tokens, each another one, so that no cache can help. */
export async function makePrompts(model, options, lengths) {
  const { page, close } = await openBenchPage([model]);
  try {
    return await page.evaluate(
      async ([url, settings, wanted]) => (await import("/bench/bench-page.mjs")).makePrompts(url, settings, wanted),
      [urlOf(model), options, lengths],
    );
  } finally {
    await close();
  }
}

export const urlOf = (model) => `/models/${encodeURIComponent(basename(model))}`;

/** The memory-read rate of one thread in this browser, in GB/s. */
export async function measureStreamRate() {
  const { default: binaryen } = await import("binaryen");
  const module = binaryen.parseText(await readFile(inRepository("tools/stream.wat"), "utf8"));
  module.setFeatures(binaryen.Features.SIMD128 | binaryen.Features.MutableGlobals);
  const wasm = [...module.emitBinary()];
  const { page, close } = await openBenchPage([]);
  try {
    return await page.evaluate(async (bytes) => (await import("/bench/bench-page.mjs")).streamRate(bytes), wasm);
  } finally {
    await close();
  }
}

export function openBenchPage(models) {
  return openPackagePage({
    models,
    folders: { "/wllama/": `${peerFolder}/esm`, "/bench/": inRepository("tools") },
  });
}

/** Processor time and memory of the page's process, where the system tells them. */
async function processMeter(browser) {
  const session = await browser.newBrowserCDPSession();
  const renderers = async () => {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    return processInfo.filter(({ type }) => type === "renderer");
  };
  return {
    async seconds() {
      return (await renderers()).reduce((sum, { cpuTime }) => sum + cpuTime, 0);
    },
    async peakBytes() {
      const peaks = (await renderers()).map(({ id }) => peakOf(id));
      const known = (await Promise.all(peaks)).filter((bytes) => bytes !== null);
      return known.length > 0 ? Math.max(...known) : null;
    },
  };
}

/** Linux keeps the largest resident size of a process. */
async function peakOf(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kilobytes = /^VmHWM:\s+(\d+) kB$/mu.exec(status)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}
