/*
 * The fourth room, "Benchmark this device": the embedded model, or the one that was chosen, on each back end that there is. The figures can be copied as text.
 */
import { chart } from "./bench-chart.js";
import { measure, NEW_TOKENS, PROMPT_TOKENS, setups } from "./bench-run.js";
import { byId, copyFrom, el } from "./dom.js";
import * as format from "./format.js";

/** @typedef {import("./bench-run.js").Result} Result */

/**
 * @param {{ chosen: () => import("./model-picker.js").Choice | null, onReady: (engine: import("./tabmind.js").Engine) => void }} wiring
 */
export function createBenchRoom({ chosen, onReady }) {
  const room = byId("room-bench", HTMLElement);
  const model = el("select", { id: "bench-model" });
  const run = el("button", { type: "button", class: "primary", id: "bench-run", onclick: toggle }, "Measure");
  const copy = el("button", { type: "button", id: "bench-copy", onclick: () => void copyFrom(copy, report) }, "Copy as text");
  const status = el("p", { class: "note", id: "bench-status", role: "status" }, "It takes a few seconds for each back end.");
  const charts = el("div", { class: "charts", id: "bench-charts" });
  const problems = el("ul", { class: "note", id: "bench-problems" });
  const text = el("pre", { id: "bench-report", tabindex: "0", role: "region", "aria-label": "The figures as text" });
  const results = el("section", { class: "card sheet-wide", "aria-label": "Figures" }, charts, problems, text, el("p", {}, copy));
  results.hidden = true;
  let report = "";
  /** @type {AbortController | null} */
  let running = null;

  room.append(
    el("div", { class: "sheet-head" }, el("p", { class: "headline" }, "Benchmark this device"), el("p", { class: "lead" }, `How fast a model reads ${PROMPT_TOKENS} tokens and writes ${NEW_TOKENS}, on each back end that this browser has.`)),
    el("section", { class: "card sheet-wide", "aria-label": "What to measure" }, el("div", { class: "bench-controls" }, el("div", { class: "field" }, el("label", { for: "bench-model" }, "Model"), model), run), status),
    results,
  );

  function toggle() {
    if (running) running.abort();
    else void start();
  }

  async function start() {
    const choice = model.value === "chosen" ? chosen() : null;
    const controller = new AbortController();
    running = controller;
    run.textContent = "Stop";
    run.classList.remove("primary");
    /** @type {Result[]} */
    const found = [];
    try {
      for (const setup of setups()) {
        status.textContent = `Loading for ${setup.backend === "webgpu" ? "WebGPU" : "the CPU"}`;
        found.push(await measure(choice?.source ?? "embedded:desk", setup, { signal: controller.signal, onReady, onRun: (label, at, of) => (status.textContent = at === 0 ? `${label}: warming up` : `${label}: run ${at} of ${of}`) }));
        show(choice?.name ?? "desk", found);
      }
      status.textContent = "Measured: the medians of three runs.";
    } catch {
      status.textContent = "Stopped.";
    }
    running = null;
    run.textContent = "Measure";
    run.classList.add("primary");
  }

  /**
   * @param {string} name
   * @param {Result[]} found
   */
  function show(name, found) {
    const measured = found.flatMap((result) => ("problem" in result ? [] : [result]));
    charts.replaceChildren(
      chart("Writing (decode)", measured.map(({ label, decode }) => ({ label, value: decode }))),
      chart("Reading (prefill)", measured.map(({ label, prefill }) => ({ label, value: prefill }))),
    );
    const missing = found.flatMap((result) => ("problem" in result ? [`${result.label}: ${result.problem}`] : []));
    problems.replaceChildren(...missing.map((problem) => el("li", {}, problem)));
    report = [
      `tabmind, ${name}, ${new Date().toISOString().slice(0, 10)}`,
      ...measured.map(({ label, prefill, decode }) => `${label}: decode ${format.tokenRate(decode)}, prefill ${format.tokenRate(prefill)}`),
      ...missing,
      `${navigator.hardwareConcurrency} processors, ${navigator.userAgent}`,
    ].join("\n");
    text.textContent = report;
    results.hidden = false;
  }

  return {
    /** Looks which model can be measured: called when the room is entered. */
    refresh() {
      const choice = chosen();
      const wanted = model.value;
      model.replaceChildren(el("option", { value: "desk" }, "desk (embedded)"), ...(choice ? [el("option", { value: "chosen" }, choice.name)] : []));
      model.value = choice && wanted === "chosen" ? "chosen" : "desk";
    },
  };
}
