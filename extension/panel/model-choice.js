// Which model: desk, a name on the hub, an address, a file, or one that is kept on this device.
import { byId, el } from "../www/dom.js";
import * as format from "../www/format.js";

/**
 * @typedef {import("../protocol.js").ModelState} ModelState
 * @typedef {import("tabmind").CachedModel} CachedModel
 * @typedef {{ send: (message: import("../protocol.js").ViewMessage) => Promise<void> }} Host
 */

const STATES = /** @type {Record<ModelState["phase"], string>} */ ({ idle: "", loading: "loading", ready: "ready", failed: "not loaded" });

/**
 * @param {Host} host
 * @param {(text: string) => void} say
 */
export function createModelChoice(host, say) {
  const details = byId("model", HTMLDetailsElement);
  const source = byId("load-source", HTMLInputElement);
  const files = byId("load-file", HTMLInputElement);
  const bar = byId("loading-bar", HTMLProgressElement);
  const problem = byId("model-problem", HTMLElement);

  /** @param {string} address */
  function load(address) {
    details.open = false;
    say("");
    void host.send({ type: "load", source: address });
  }

  byId("use-desk", HTMLButtonElement).addEventListener("click", () => load("embedded:desk"));
  byId("loading-cancel", HTMLButtonElement).addEventListener("click", () => void host.send({ type: "cancel-load" }));
  byId("load-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    load(source.value.trim());
  });
  files.addEventListener("change", () => {
    if (files.files?.length) sendFiles(host, [...files.files]);
    files.value = "";
    details.open = false;
  });
  // The list costs a worker: it is asked for when somebody looks.
  details.addEventListener("toggle", () => {
    if (details.open) void host.send({ type: "stored" });
  });

  /** @param {ModelState} model */
  function show(model) {
    byId("model-name", HTMLElement).textContent = model.label;
    byId("model-state", HTMLElement).textContent = STATES[model.phase];
    const facts = byId("model-facts", HTMLElement);
    facts.hidden = model.facts === null;
    facts.textContent = model.facts;
    byId("loading", HTMLElement).hidden = model.phase !== "loading";
    const { loaded = 0, total = 0 } = model.progress ?? {};
    if (total > 0) bar.value = Math.min(1, loaded / total);
    else bar.removeAttribute("value");
    byId("loading-text", HTMLElement).textContent = total > 0 ? `${format.bytes(loaded)} of ${format.bytes(total)}` : "Starting";
    problem.hidden = model.problem === null;
    if (model.problem) problem.replaceChildren(el("p", {}, model.problem.message), el("p", { class: "note" }, model.problem.hint ?? ""));
  }

  /** @param {CachedModel[]} models */
  function showStored(models) {
    byId("stored-none", HTMLElement).hidden = models.length > 0;
    byId("stored", HTMLElement).replaceChildren(
      ...models.map((model) => {
        const size = model.complete ? format.bytes(model.sizeBytes) : `${format.bytes(model.storedBytes)} of ${format.bytes(model.sizeBytes)}`;
        const use = el("button", { type: "button", class: "quiet stored-name", onclick: () => load(model.url) }, format.fileName(model.url), el("span", { class: "note" }, size));
        const remove = el("button", { type: "button", class: "quiet small", onclick: () => void host.send({ type: "forget-model", url: model.url }) }, "Delete");
        return el("li", { class: "row" }, use, remove);
      }),
    );
  }

  /** Opens the choice and shows it. */
  function open() {
    details.open = true;
    scrollTo({ top: 0 });
    source.focus();
  }

  return { show, showStored, open };
}

/**
 * Ports carry only JSON, so files go through a channel: the host says when it listens.
 * @param {Host} host
 * @param {File[]} files
 */
function sendFiles(host, files) {
  const ticket = crypto.randomUUID();
  const channel = new BroadcastChannel(`tabmind-files-${ticket}`);
  channel.onmessage = () => {
    channel.postMessage(files);
    channel.close();
  };
  void host.send({ type: "load-files", ticket });
}
