/*
 * What this browser keeps of models: how much, whether it is sound, and a way to be rid of it.
 */
import { byId, el } from "./dom.js";
import * as format from "./format.js";
import { cache } from "./tabmind.js";

/** @typedef {import("./tabmind.js").CachedModel} CachedModel */

/**
 * @param {{ onChoose: (url: string) => void }} wiring
 */
export function createStoredModels({ onChoose }) {
  const details = byId("stored", HTMLDetailsElement);
  const summary = byId("stored-summary", HTMLElement);
  const list = byId("stored-list", HTMLElement);
  const note = byId("stored-note", HTMLElement);

  async function refresh() {
    const models = await cache.list().catch(() => /** @type {CachedModel[]} */ ([]));
    summary.textContent = describe(models);
    list.replaceChildren(...models.map(row));
  }

  /** @param {CachedModel} model */
  function row(model) {
    const load = el("button", { type: "button", class: "model-row", onclick: () => onChoose(model.url) }, el("span", { class: "model-row-name" }, format.fileName(model.url)), size(model));
    const check = el("button", { type: "button", class: "quiet", onclick: () => act(model, verify) }, "Check");
    const remove = el("button", { type: "button", class: "quiet", onclick: () => act(model, forget) }, "Delete");
    return el("li", {}, load, check, remove);
  }

  /**
   * @param {CachedModel} model
   * @param {(model: CachedModel) => Promise<string>} what resolves to what to tell
   */
  async function act(model, what) {
    note.textContent = "One moment…";
    try {
      note.textContent = await what(model);
    } catch (error) {
      note.textContent = error instanceof Error ? error.message : String(error);
    }
    await refresh();
  }

  // The list costs a worker: it is asked for when somebody looks.
  details.addEventListener("toggle", () => {
    if (details.open) void refresh();
  });
}

/** @param {CachedModel} model */
function size(model) {
  const stored = format.bytes(model.storedBytes);
  return el("span", { class: "model-row-size" }, model.complete ? stored : `${stored} of ${format.bytes(model.sizeBytes)}`);
}

/** @param {CachedModel[]} models */
function describe(models) {
  const bytes = models.reduce((sum, model) => sum + model.storedBytes, 0);
  return models.length === 0 ? "none" : `${format.plural(models.length, "file")}, ${format.bytes(bytes)}`;
}

/** @param {CachedModel} model */
async function verify(model) {
  const { ok, damagedBytes } = await cache.verify(model.url);
  return ok ? "Everything that is stored is as it was downloaded." : `${format.bytes(damagedBytes)} are damaged; loading the model fetches them again.`;
}

/** @param {CachedModel} model */
async function forget(model) {
  await cache.delete(model.url);
  return "";
}
