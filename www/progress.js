/*
 * The loading card: which phase, how many bytes, how fast, how long still, and a way to cancel.
 */
import { byId, el } from "./dom.js";
import * as format from "./format.js";

/** @typedef {import("./tabmind.js").Progress} Progress */

/** Short names for the row of steps, and a sentence for the line below. A model already kept by this browser is not downloaded: "cache" then lights up the first step in its place. */
const PHASES = /** @type {Record<Progress["phase"], { step: number, sentence: string }>} */ ({
  download: { step: 0, sentence: "Downloading the model" },
  cache: { step: 0, sentence: "Reading the model from this browser’s storage" },
  verify: { step: 1, sentence: "Checking the bytes" },
  compile: { step: 2, sentence: "Waiting for the GPU’s compiler" },
  ready: { step: 3, sentence: "Ready" },
});
const STEPS = ["Fetch", "Verify", "Compile"];
/** A rate over the last moments, not since the start: it should tell when a connection stalls. */
const RATE_WINDOW_MS = 3000;

/**
 * @param {() => void} onCancel
 */
export function createProgress(onCancel) {
  const card = byId("loading", HTMLElement);
  const bar = byId("loading-bar", HTMLProgressElement);
  const bytesText = byId("loading-bytes", HTMLElement);
  const rateText = byId("loading-rate", HTMLElement);
  const sentence = byId("loading-phase", HTMLElement);
  const cancel = byId("loading-cancel", HTMLButtonElement);
  const steps = STEPS.map((name) => el("li", {}, name));
  /** @type {{ at: number, loaded: number }[]} */
  let samples = [];
  /** @type {Progress["phase"] | null} */
  let phase = null;

  byId("loading-phases", HTMLElement).append(...steps);
  cancel.addEventListener("click", onCancel);

  /** @param {string} name */
  function start(name) {
    byId("loading-name", HTMLElement).textContent = name;
    phase = null;
    samples = [];
    bar.removeAttribute("value"); // indeterminate until the first bytes come
    bytesText.textContent = "";
    rateText.textContent = "";
    sentence.textContent = "Starting";
    for (const step of steps) step.className = "";
    card.hidden = false;
    cancel.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  }

  /** @param {Progress} progress */
  function update(progress) {
    if (progress.phase !== phase) {
      phase = progress.phase;
      samples = [];
      sentence.textContent = PHASES[phase].sentence;
      for (const [index, step] of steps.entries()) {
        step.className = index < PHASES[progress.phase].step ? "done" : index === PHASES[progress.phase].step ? "current" : "";
      }
    }
    const { loaded, total } = progress;
    if (total > 0) bar.value = Math.min(1, loaded / total);
    else bar.removeAttribute("value");
    bytesText.textContent = total > 0 ? `${format.bytes(loaded)} of ${format.bytes(total)}` : format.bytes(loaded);
    rateText.textContent = describeRate(loaded, total);
  }

  /**
   * @param {number} loaded
   * @param {number} total
   */
  function describeRate(loaded, total) {
    const now = performance.now();
    samples = [...samples.filter((sample) => now - sample.at < RATE_WINDOW_MS), { at: now, loaded }];
    const oldest = samples[0];
    if (!oldest || now - oldest.at < 250) return "";
    const perSecond = ((loaded - oldest.loaded) / (now - oldest.at)) * 1000;
    if (loaded >= total) return "";
    if (perSecond <= 0) return "waiting";
    return `${format.bytes(perSecond)}/s, ${format.remaining((total - loaded) / perSecond)} left`;
  }

  function hide() {
    card.hidden = true;
  }

  return { start, update, hide };
}
