/*
 * Choosing a model: the list this server offers, an address, a file. Says what was chosen and loads nothing itself.
 */
import { createCurated } from "./curated.js";
import { byId, el } from "./dom.js";
import * as format from "./format.js";
import { createStoredModels } from "./stored-models.js";

/**
 * @typedef {{ source: import("./tabmind.js").ModelSource, name: string, options: { backend: "auto" | "webgpu" | "cpu", contextLength?: number } }} Choice
 * @typedef {{ name: string, url: string | string[], bytes?: number }} Offer an array is a model in several files
 */

const LIST_URL = new URL("./models.json", import.meta.url);
/** A server that is slow to tell what it offers must not keep the picker away. */
const LIST_TIMEOUT_MS = 2000;

/**
 * @param {{ onChoose: (choice: Choice) => void, canChoose: () => boolean }} wiring
 */
export function createModelPicker({ onChoose, canChoose }) {
  const card = byId("picker", HTMLElement);
  const url = byId("model-url", HTMLInputElement);
  const urlNote = byId("model-url-note", HTMLElement);
  const file = byId("model-file", HTMLInputElement);
  const backend = byId("load-backend", HTMLSelectElement);
  const context = byId("load-context", HTMLInputElement);
  const urlNoteText = urlNote.textContent ?? "";

  /**
   * @param {Choice["source"]} source
   * @param {string} name
   */
  function choose(source, name) {
    if (!context.reportValidity()) return;
    const options = /** @type {Choice["options"]} */ ({ backend: backend.value });
    if (context.value) options.contextLength = context.valueAsNumber;
    onChoose({ source, name, options });
  }

  /** @param {FileList | null | undefined} files */
  function chooseFiles(files) {
    // The parts of a split model are named -00001-of-00003, so the order of the names is their order.
    const parts = [...(files ?? [])].sort((a, b) => a.name.localeCompare(b.name, "en"));
    const first = parts[0];
    if (first) choose(parts.length === 1 ? first : parts, first.name);
  }

  byId("url-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const address = url.value.trim();
    const problem = describeAddressProblem(address);
    urlNote.textContent = problem ?? urlNoteText;
    urlNote.classList.toggle("problem", problem !== null);
    url.setAttribute("aria-invalid", String(problem !== null));
    if (problem) url.focus();
    else choose(absolute(address), format.fileName(address));
  });
  file.addEventListener("change", () => {
    chooseFiles(file.files);
    file.value = ""; // so that the same file can be chosen again after an error
  });
  createCurated({ onChoose: (address, name) => choose(address, name) });
  createStoredModels({ onChoose: (address) => choose(address, format.fileName(address)) });
  listenForDrops(canChoose, chooseFiles);
  // A link may suggest a model, but only a click loads it: an address in a link must not be able to start a download.
  url.value = new URLSearchParams(location.search).get("model") ?? "";

  fetchOffers().then((offers) => {
    byId("model-list", HTMLElement).replaceChildren(
      ...offers.map((offer) =>
        el(
          "li",
          {},
          el(
            "button",
            { type: "button", class: "model-row", onclick: () => choose(Array.isArray(offer.url) ? offer.url.map(absolute) : absolute(offer.url), offer.name) },
            el("span", { class: "model-row-name" }, offer.name),
            el("span", { class: "model-row-size" }, offer.bytes ? format.bytes(offer.bytes) : ""),
          ),
        ),
      ),
    );
    card.classList.remove("pending");
  });

  return {
    /** @param {boolean} visible */
    show(visible) {
      card.hidden = !visible;
    },
    useCpu() {
      backend.value = "cpu";
    },
  };
}

/**
 * Addresses are relative to the page; hf: and embedded: are the package's to resolve and pass through unchanged.
 * @param {string} address
 */
function absolute(address) {
  return /^(hf|embedded):/.test(address) ? address : new URL(address, LIST_URL).href;
}

/**
 * @param {string} address
 * @returns {string | null}
 */
function describeAddressProblem(address) {
  if (!address) return "Type an address first.";
  try {
    const { protocol } = new URL(absolute(address));
    return /^(https?|hf|embedded|blob):$/.test(protocol) ? null : `A page cannot read ${protocol} addresses; use https: or hf:, or choose the file below.`;
  } catch {
    return "This is not an address.";
  }
}

/**
 * The models this server offers: none where it has no list, which is how a plain static host answers.
 * @returns {Promise<Offer[]>}
 */
async function fetchOffers() {
  try {
    const response = await fetch(LIST_URL, { signal: AbortSignal.timeout(LIST_TIMEOUT_MS) });
    const offers = response.ok ? await response.json() : [];
    return Array.isArray(offers) ? offers.filter(isOffer) : [];
  } catch {
    return [];
  }
}

/**
 * @param {any} offer
 * @returns {offer is Offer}
 */
function isOffer(offer) {
  return typeof offer?.name === "string" && [offer.url].flat().every((url) => typeof url === "string");
}

/**
 * The whole page takes drops, so that nobody has to aim, and so that a file that misses does not make the browser leave the page.
 * @param {() => boolean} canChoose
 * @param {(files: FileList | undefined) => void} onFiles
 */
function listenForDrops(canChoose, onFiles) {
  let depth = 0; // dragenter and dragleave fire for every element that is crossed
  const mark = () => document.body.classList.toggle("dragging", depth > 0 && canChoose());
  /** @param {DragEvent} event */
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragenter", (event) => hasFiles(event) && ((depth += 1), mark()));
  addEventListener("dragleave", (event) => hasFiles(event) && ((depth -= 1), mark()));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    mark();
    if (canChoose()) onFiles(event.dataTransfer?.files);
  });
}
