/*
 * The first room: a message on one side, and on the other the form that the embedded model makes of it. The model loads by itself when the page opens, and fills in the first sample.
 */
import { fillForm } from "./desk-run.js";
import { createDeskFields } from "./desk-fields.js";
import { SAMPLES } from "./desk-samples.js";
import { byId, copyFrom, el } from "./dom.js";
import { clearError, isAbort, showError } from "./error-card.js";
import * as format from "./format.js";
import { readPartialForm } from "./partial-form.js";
import { load, tasks } from "./tabmind.js";

/** @typedef {import("./desk-samples.js").TaskName} TaskName */

const TITLES = /** @type {Record<TaskName, string>} */ ({ ticket: "Ticket", invoice: "Invoice" });
/** Somebody who types is left to finish the word. */
const TYPING_PAUSE_MS = 450;

/**
 * @param {{ onReady: (engine: import("./tabmind.js").Engine) => void, onUse: (usage: import("./tabmind.js").Usage) => void, sealed: () => boolean }} wiring
 */
export function createDeskRoom({ onReady, onUse, sealed }) {
  const text = byId("desk-text", HTMLTextAreaElement);
  const fill = byId("desk-fill", HTMLButtonElement);
  const status = byId("desk-status", HTMLElement);
  const verdict = byId("desk-verdict", HTMLElement);
  const errorSlot = byId("desk-error", HTMLElement);
  const json = byId("desk-json", HTMLElement);
  const copy = byId("desk-copy", HTMLButtonElement);
  const kinds = [...document.querySelectorAll('input[name="desk-task"]')].filter((input) => input instanceof HTMLInputElement);
  const fields = createDeskFields(byId("desk-fields", HTMLElement), (form) => showJson(form));
  /** @type {import("./tabmind.js").Engine | null} */
  let engine = null;
  /** @type {AbortController | null} */
  let running = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;

  const task = () => /** @type {TaskName} */ (kinds.find((kind) => kind.checked)?.value ?? "ticket");

  /** @param {import("./desk-run.js").Form} form */
  function showJson(form) {
    json.textContent = JSON.stringify(form, null, 2);
    copy.disabled = false;
  }

  /** Forgets the form on show, and lays out the fields of the kind that is chosen. */
  function showTask() {
    const { schema } = tasks[task()];
    byId("desk-title", HTMLElement).textContent = TITLES[task()];
    byId("desk-schema", HTMLElement).textContent = JSON.stringify(schema, null, 2);
    const samples = SAMPLES.filter((sample) => sample.task === task());
    byId("desk-samples", HTMLElement).replaceChildren(...samples.map((sample) => el("button", { type: "button", class: "small", onclick: () => take(sample.text) }, sample.name)));
    fields.show(schema);
    json.textContent = "";
    copy.disabled = true;
    verdict.textContent = "";
  }

  /** @param {string} message */
  function take(message) {
    text.value = message;
    text.scrollTop = 0;
    void run();
  }

  async function run() {
    clearTimeout(typing);
    running?.abort();
    const current = engine;
    if (!current) return; // what is in the box is filled in as soon as the model is there
    clearError(errorSlot);
    if (!text.value.trim()) {
      showTask();
      status.textContent = "Paste a message, or choose a sample.";
      return;
    }
    const controller = new AbortController();
    running = controller;
    fields.clear();
    verdict.textContent = "";
    status.textContent = "Reading";
    let frame = 0;
    let written = "";
    const draw = () => {
      frame = 0;
      json.textContent = written;
      fields.write(readPartialForm(written));
    };
    try {
      const filled = await fillForm(current, task(), text.value, {
        signal: controller.signal,
        onText: (soFar) => {
          written = soFar;
          frame ||= requestAnimationFrame(draw);
        },
      });
      cancelAnimationFrame(frame);
      draw();
      const doubtful = fields.judge(filled.confidence);
      showJson(filled.form);
      verdict.textContent = doubtful === 0 ? "The model is sure of every field." : `${format.plural(doubtful, "field")} to check`;
      status.textContent = describe(filled);
      onUse(filled.usage);
    } catch (error) {
      cancelAnimationFrame(frame);
      if (isAbort(error)) return;
      fields.clear();
      status.textContent = "";
      showError(errorSlot, error, "The form could not be filled", { retry: () => void run(), reload: () => void start(), shorten: () => text.focus() });
    } finally {
      if (running === controller) running = null;
    }
  }

  async function start() {
    status.textContent = "Loading the model, 3.4 MB";
    clearError(errorSlot);
    try {
      await engine?.close();
      // One thread is enough for four layers, and the smallest module. Not in the cache of models, which is for those that somebody chose: this one is a file of the page, kept with the others for use without a network.
      const ready = await load("embedded:desk", { backend: "cpu", threads: 1, cache: "none", seal: sealed() });
      engine = ready;
      onReady(ready);
      fill.disabled = false;
      await run();
    } catch (error) {
      status.textContent = "The model is not there.";
      showError(errorSlot, error, "The model could not be loaded", { retry: () => void start() });
    }
  }

  byId("desk-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    void run();
  });
  text.addEventListener("input", (event) => {
    clearTimeout(typing);
    const pasted = event instanceof InputEvent && event.inputType === "insertFromPaste";
    typing = setTimeout(() => void run(), pasted ? 0 : TYPING_PAUSE_MS);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void run();
  });
  for (const kind of kinds) {
    kind.addEventListener("change", () => {
      showTask();
      take(SAMPLES.find((sample) => sample.task === task())?.text ?? "");
    });
  }
  copy.addEventListener("click", () => void copyFrom(copy, json.textContent ?? ""));
  showTask();
  text.value = SAMPLES[0]?.text ?? "";
  void start();
}

/** @param {import("./desk-run.js").Filled} filled */
function describe({ usage, timings }) {
  const took = timings.first_token_ms + timings.decode_ms;
  return `Filled in here in ${format.duration(took)}: ${format.plural(usage.total_tokens, "token")}, none sent anywhere.`;
}
