/*
 * An error as a card: the stable code, what was found, what to do, and buttons that do it.
 */
import { el } from "./dom.js";

/**
 * @typedef {"retry" | "choose" | "cpu" | "reload" | "new-chat" | "shorten" | "reset-settings"} WayOut
 * @typedef {{ code: string, message: string, hint: string | null }} Problem
 */

/** What a button says. */
const LABELS = /** @type {Record<WayOut, string>} */ ({
  retry: "Try again",
  choose: "Choose another model",
  cpu: "Load on the CPU",
  reload: "Load the model again",
  "new-chat": "Start a new chat",
  shorten: "Edit the text",
  "reset-settings": "Reset the settings",
});

/** Which ways out make sense for which code, best first. A code that is not listed gets the default. */
const WAYS_OUT = /** @type {Record<string, WayOut[]>} */ ({
  network: ["retry", "choose"],
  http_status: ["retry", "choose"],
  truncated_file: ["retry", "choose"],
  hash_mismatch: ["retry", "choose"],
  quota_exceeded: ["choose"],
  not_gguf: ["choose"],
  corrupt_file: ["choose"],
  unsupported_architecture: ["choose"],
  unsupported_quantization: ["choose"],
  unsupported_version: ["choose"],
  template_error: ["new-chat", "choose"],
  out_of_memory: ["choose", "reload"],
  webgpu_unavailable: ["cpu", "choose"],
  self_test_failed: ["cpu", "choose"],
  device_lost: ["reload", "cpu"],
  numeric_error: ["reload", "choose"],
  context_overflow: ["new-chat", "shorten"],
  invalid_request: ["reset-settings"],
  worker_died: ["reload", "choose"],
  closed: ["reload", "choose"],
});
const DEFAULT_WAYS_OUT = /** @type {WayOut[]} */ (["retry", "choose"]);

/**
 * Whatever was thrown, as the three things a card shows.
 * @param {unknown} error
 * @returns {Problem}
 */
export function describeError(error) {
  if (!(error instanceof Error)) return { code: "unexpected", message: String(error), hint: null };
  const { code, hint } = /** @type {{ code?: unknown, hint?: unknown }} */ (error);
  return {
    // A DOMException has a numeric code that says nothing; its name does.
    code: typeof code === "string" ? code : error.name,
    message: error.message || "It gave no message.",
    hint: typeof hint === "string" ? hint : null,
  };
}

/** @param {unknown} error */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * Shows the error in its slot, in place of an older one. A way out appears if it fits the code and the caller can do it.
 * @param {HTMLElement} slot
 * @param {unknown} error
 * @param {string} title what failed, in words
 * @param {Partial<Record<WayOut, () => void>>} can
 */
export function showError(slot, error, title, can) {
  const { code, message, hint } = describeError(error);
  const ways = (WAYS_OUT[code] ?? DEFAULT_WAYS_OUT).filter((way) => can[way]);
  const buttons = ways.map((way) =>
    el("button", { type: "button", onclick: () => (clearError(slot), can[way]?.()) }, LABELS[way]),
  );
  const card = el(
    "div",
    { class: "error-card", role: "alert" },
    el("div", { class: "error-head" }, el("strong", {}, title), el("code", {}, code)),
    el("p", {}, message),
    ...(hint ? [el("p", { class: "error-hint" }, hint)] : []),
    el("div", { class: "error-actions" }, ...buttons, el("button", { type: "button", class: "quiet", onclick: () => clearError(slot) }, "Dismiss")),
  );
  slot.replaceChildren(card);
  card.scrollIntoView({ block: "nearest" });
}

/** @param {HTMLElement} slot */
export function clearError(slot) {
  slot.replaceChildren();
}
