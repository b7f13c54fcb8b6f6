// What can be done with a result: copy it, or put it into the page.
import { copyFrom, el } from "../www/dom.js";
import { insertText } from "../page-access.js";

/**
 * @typedef {import("../protocol.js").Entry} Entry
 * @typedef {import("../protocol.js").Place} Place
 * @typedef {{ host: { send: (message: import("../protocol.js").ViewMessage) => Promise<void> }, say: (text: string) => void, chooseModel: () => void }} Tools
 */

/**
 * @param {Entry} entry
 * @param {Tools} tools
 * @returns {Node[]}
 */
export function resultButtons(entry, tools) {
  if (!entry.text) return [];
  return [el("div", { class: "row" }, copyButton(entry.form ? "Copy as JSON" : "Copy", entry.text), ...(entry.form ? [] : [insertButton(entry.text, entry.place, tools)]))];
}

/**
 * @param {string} label
 * @param {string} text
 */
export function copyButton(label, text) {
  const button = el("button", { type: "button", class: "quiet small" }, label);
  button.addEventListener("click", () => void copyFrom(button, text));
  return button;
}

/**
 * @param {string} text
 * @param {Place | null} place where the text came from, or the page in front
 * @param {Tools} tools
 */
export function insertButton(text, place, { say }) {
  const button = el("button", { type: "button", class: "quiet small", title: "Into the field of the page that has the cursor" }, "Insert");
  button.addEventListener("click", async () => {
    try {
      const target = place ?? (await placeInFront());
      say((await insertText(target, text)) ? "" : "No field of the page has the cursor: click into one, then insert.");
    } catch {
      say("The page cannot be changed. Click the tabmind button in the toolbar while the page is in front: that is what gives access to it, once.");
    }
  });
  return button;
}

/** @returns {Promise<Place>} */
async function placeInFront() {
  const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
  if (tab?.id === undefined) throw new Error("there is no tab");
  return { tabId: tab.id, frameId: 0 };
}
