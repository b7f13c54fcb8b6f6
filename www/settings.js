/*
 * The sampling settings and the system prompt. The form in index.html is the list of settings, with defaults and bounds; this file reads, checks and keeps it.
 *
 * An empty field is not sent at all: the engine then uses its own default.
 */
import { byId } from "./dom.js";
import { recall, remember } from "./storage.js";

const STORAGE_KEY = "settings";
/** @typedef {"temperature" | "max_tokens" | "top_p" | "top_k" | "min_p" | "repetition_penalty" | "seed"} SamplingName */
/** @typedef {{ sampling: Partial<Record<SamplingName, number>>, system: string }} Settings */

/**
 * @returns {{ read: () => Settings | null, reset: () => void }}
 */
export function createSettings() {
  const form = byId("settings", HTMLFormElement);
  const panel = byId("settings-panel", HTMLDetailsElement);
  const problem = byId("settings-problem", HTMLElement);
  const summary = byId("settings-summary", HTMLElement);
  const system = byId("system", HTMLTextAreaElement);
  const numbers = [...form.querySelectorAll("input")];

  function restore() {
    const kept = recall(STORAGE_KEY);
    if (typeof kept !== "object" || kept === null) return;
    for (const field of [...numbers, system]) {
      const value = /** @type {Record<string, unknown>} */ (kept)[field.name];
      if (typeof value === "string") field.value = value;
    }
  }

  /** Shows the first wrong field, or nothing. */
  function check() {
    const wrong = numbers.find((field) => !field.checkValidity());
    for (const field of numbers) field.setAttribute("aria-invalid", String(!field.checkValidity()));
    problem.textContent = wrong ? `${wrong.labels?.[0]?.textContent}: ${wrong.validationMessage}` : "";
    summary.textContent = wrong ? "needs a look" : `temperature ${numbers.find((field) => field.name === "temperature")?.value || "default"}`;
    return wrong;
  }

  function changed() {
    check();
    remember(STORAGE_KEY, Object.fromEntries([...numbers, system].map((field) => [field.name, field.value])));
  }

  function reset() {
    // Not form.reset(): a system prompt is somebody's writing, and "Reset" stands beside the numbers.
    for (const field of numbers) field.value = field.defaultValue;
    changed();
  }

  function read() {
    const wrong = check();
    if (wrong) {
      panel.open = true;
      wrong.focus();
      return null;
    }
    const given = numbers.filter((field) => field.value !== "");
    return { sampling: Object.fromEntries(given.map((field) => [field.name, field.valueAsNumber])), system: system.value.trim() };
  }

  restore();
  check();
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("settings-reset", HTMLButtonElement).addEventListener("click", reset);
  return { read, reset };
}
