/*
 * What the playgrounds share: one request with what is in the fields, one answer below, a button that runs and stops, and errors with a way out.
 */
import { el } from "./dom.js";
import { clearError, isAbort, showError } from "./error-card.js";

/** @typedef {import("./tabmind.js").Engine} Engine */
/** @typedef {{ settings: ReturnType<typeof import("./settings.js").createSettings>, waysOut: Record<"choose" | "cpu" | "reload", () => void>, onBusy: () => void, onUse: (usage: import("./tabmind.js").Usage) => void }} Shared */
/** @typedef {{ engine: Engine, sampling: import("./settings.js").Settings["sampling"], signal: AbortSignal, say: (text: string) => void }} Run */

/**
 * @param {HTMLElement} panel
 * @param {Shared} shared
 * @param {{ title: string, explain: string, fields: HTMLElement[], result: HTMLElement, action: string, run: (run: Run) => Promise<import("./tabmind.js").Usage | void> }} play
 */
export function createPlayground(panel, { settings, waysOut, onBusy, onUse }, { title, explain, fields, result, action, run }) {
  const errorSlot = el("div", { class: "slot" });
  const button = el("button", { type: "submit", class: "primary" }, action);
  const status = el("p", { class: "note", role: "status" });
  const form = el("form", { class: "column playground", novalidate: true }, el("div", {}, el("h2", {}, title), el("p", { class: "note" }, explain)), ...fields, el("div", { class: "playground-actions" }, button, status), errorSlot, result);
  panel.append(el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, form));
  /** @type {Engine | null} */
  let engine = null;
  /** @type {AbortController | null} */
  let running = null;

  function showState() {
    button.textContent = running ? "Stop" : action;
    button.classList.toggle("primary", !running);
    result.setAttribute("aria-busy", String(running !== null));
    onBusy();
  }

  async function start() {
    const chosen = settings.read();
    if (!engine || !chosen) return;
    const controller = new AbortController();
    running = controller;
    clearError(errorSlot);
    status.textContent = "Working";
    showState();
    try {
      const usage = await run({ engine, sampling: chosen.sampling, signal: controller.signal, say: (text) => (status.textContent = text) });
      if (usage) onUse(usage);
      if (status.textContent === "Working") status.textContent = "";
    } catch (error) {
      status.textContent = isAbort(error) ? "Stopped by you." : "";
      if (!isAbort(error)) showError(errorSlot, error, "It failed", { ...waysOut, retry: () => void start(), "reset-settings": settings.reset });
    }
    running = null;
    showState();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) running.abort();
    else void start();
  });

  return {
    /** @param {Engine | null} next */
    setEngine(next) {
      running?.abort();
      engine = next;
      clearError(errorSlot);
      showState();
    },
    stop: () => running?.abort(),
    isBusy: () => running !== null,
    focus: () => button.focus({ preventScroll: true }),
  };
}

/**
 * A labelled text box.
 * @param {string} id
 * @param {string} label
 * @param {string} value
 * @param {{ rows?: number, mono?: boolean }} [look]
 */
export function textField(id, label, value, { rows = 3, mono = false } = {}) {
  const box = el("textarea", { id, rows: String(rows), spellcheck: "false", ...(mono ? { class: "mono" } : {}) });
  box.value = value;
  return { box, node: el("div", { class: "field" }, el("label", { for: id }, label), box) };
}

/**
 * JSON that somebody typed. What is wrong with it is an error of the same kind as the engine's, so it is shown alike.
 * @param {string} text
 * @param {string} what
 */
export function parseTyped(text, what) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw Object.assign(new Error(`${what}: ${error instanceof Error ? error.message : error}`), { code: "invalid_request" });
  }
}
