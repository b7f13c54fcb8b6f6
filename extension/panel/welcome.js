// What an empty panel says: what works at once, and what needs another model.
import { el } from "../www/dom.js";

/**
 * @param {HTMLElement} section
 * @param {import("../protocol.js").ModelState | null} model null once something was said
 * @param {() => void} chooseModel
 */
export function showWelcome(section, model, chooseModel) {
  section.hidden = model === null;
  if (model === null || section.dataset.kind === model.kind) return;
  section.dataset.kind = model.kind;
  section.replaceChildren(...(model.kind === "forms" ? formsWelcome(chooseModel) : generalWelcome()));
}

/** @param {() => void} chooseModel */
function formsWelcome(chooseModel) {
  return [
    el("h2", {}, "Fill a form from any text"),
    el("p", {}, "Paste a help-desk message or an invoice below, or select it on a page and choose “Fill a form” from the context menu. It works at once, and offline."),
    el("div", { class: "card" }, el("p", {}, "desk, the model that comes with the extension, does only this. To chat, summarise, rewrite, explain or ask about a page, choose a general model: it is downloaded once."), el("button", { type: "button", onclick: chooseModel }, "Choose a general model")),
    privacy(),
  ];
}

function generalWelcome() {
  return [
    el("h2", {}, "Ask something"),
    el("p", {}, "Or select text on a page and choose from the context menu: summarise, rewrite, explain, fill a form. “Ask about this page” reads the article in front of you."),
    privacy(),
  ];
}

const privacy = () => el("p", { class: "note" }, "The model runs in this browser. What you write and what it reads stays on this device.");
