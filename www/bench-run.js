/*
 * Measuring one model on one back end: how fast it reads a prompt (prefill) and how fast it writes (decode), each the median of a few runs after one that does not count.
 */
import { load } from "./tabmind.js";

/** @typedef {{ backend: "cpu" | "webgpu", threads?: number }} Setup */
/** @typedef {{ label: string, prefill: number, decode: number } | { label: string, problem: string }} Result */

const RUNS = 3;
export const PROMPT_TOKENS = 256;
export const NEW_TOKENS = 64;

/** What this device can be asked for. @returns {Setup[]} */
export function setups() {
  return [{ backend: "cpu", threads: 1 }, ...(crossOriginIsolated && navigator.hardwareConcurrency > 1 ? [{ backend: /** @type {const} */ ("cpu") }] : []), ...("gpu" in navigator ? [{ backend: /** @type {const} */ ("webgpu") }] : [])];
}

/**
 * @param {import("./tabmind.js").ModelSource} source
 * @param {Setup} setup
 * @param {{ signal: AbortSignal, onReady: (engine: import("./tabmind.js").Engine) => void, onRun: (label: string, run: number, of: number) => void }} wiring
 * @returns {Promise<Result>} rejects only when it is stopped: that a back end is missing is a result
 */
export async function measure(source, setup, { signal, onReady, onRun }) {
  let label = setup.backend === "webgpu" ? "WebGPU" : "CPU";
  /** @type {import("./tabmind.js").Engine | undefined} */
  let engine;
  try {
    engine = await load(source, { ...setup, signal, seal: true });
    onReady(engine);
    const { backend, threads, adapter } = engine.info;
    label = backend === "webgpu" ? `WebGPU, ${adapter ?? "unknown adapter"}` : `CPU, ${threads} ${threads === 1 ? "thread" : "threads"}`;
    /** @type {import("./tabmind.js").Timings[]} */
    const timings = [];
    for (let run = 0; run <= RUNS; run++) {
      onRun(label, run, RUNS);
      const { timings: taken } = await engine.completions.create({ prompt: prompt(run, engine.info.vocabSize), max_tokens: NEW_TOKENS, temperature: 0, ignore_eos: true }, { signal });
      if (run > 0) timings.push(taken);
    }
    return { label, prefill: median(timings.map((taken) => taken.prompt_per_second)), decode: median(timings.map((taken) => taken.decode_per_second)) };
  } catch (error) {
    if (signal.aborted) throw error;
    return { label, problem: error instanceof Error ? error.message : String(error) };
  } finally {
    await engine?.close();
  }
}

/**
 * Ids that mean nothing, different in each run from the first on: a prompt that begins like an earlier one is not read again.
 * @param {number} run
 * @param {number} vocabSize
 */
function prompt(run, vocabSize) {
  const first = Math.min(300, vocabSize >> 1); // below are bytes and markers, in most vocabularies
  return Array.from({ length: PROMPT_TOKENS }, (_, index) => first + ((run * 7919 + index * 104729) % (vocabSize - first)));
}

/** @param {number[]} values */
function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
