// The side panel: a view of the host's board, and buttons that send wishes to it. It keeps nothing that must last.
import { byId } from "../www/dom.js";
import { connectToHost } from "../host-line.js";
import { readPage } from "../page-access.js";
import { createEntries } from "./entries.js";
import { createModelChoice } from "./model-choice.js";
import { showWelcome } from "./welcome.js";

/** @typedef {import("../protocol.js").Patch} Patch */
/** @typedef {import("../protocol.js").ModelState} ModelState */

const input = byId("input", HTMLTextAreaElement);
const notice = byId("notice", HTMLElement);
const stop = byId("stop", HTMLButtonElement);
const send = byId("send", HTMLButtonElement);
const lost = byId("lost", HTMLElement);
/** What a host that has ended had written: the next one knows nothing of it. */
const earlier = byId("earlier", HTMLElement);

/** @type {ModelState | null} */
let model = null;

const host = connectToHost("panel", { onPatch: take, onLost: lose });
const say = (/** @type {string} */ text) => (notice.textContent = text);
const choice = createModelChoice(host, say);
const entries = createEntries(byId("entries", HTMLElement), { host, say, chooseModel: choice.open });

/** @param {Patch} patch */
function take(patch) {
  if (patch.model) showModel(patch.model);
  if (patch.stored) choice.showStored(patch.stored);
  if (patch.page !== undefined) showPage(patch.page);
  if (patch.entries) {
    entries.replace(patch.entries);
    lost.hidden = true;
  }
  if (patch.entry) entries.show(patch.entry);
  showRunning();
}

/** The host is gone, and nothing more comes: that is said, and what stands there stays. */
function lose() {
  lost.hidden = false;
  earlier.append(...entries.interrupt());
  showRunning();
}

/** @param {ModelState} state */
function showModel(state) {
  const chats = state.kind === "general";
  byId("chat-actions", HTMLElement).hidden = !chats;
  byId("form-actions", HTMLElement).hidden = chats;
  input.placeholder = chats ? "Ask something" : "Paste a message or an invoice";
  model = state;
  choice.show(state);
}

/** @param {import("../protocol.js").Board["page"]} page */
function showPage(page) {
  byId("page", HTMLElement).hidden = page === null;
  byId("page-title", HTMLElement).textContent = page?.title || (page?.url ?? "");
}

function showRunning() {
  const running = entries.running();
  stop.hidden = !running;
  send.hidden = running;
  showWelcome(byId("welcome", HTMLElement), entries.count() + earlier.childElementCount === 0 ? model : null, choice.open);
}

function takeInput() {
  const text = input.value.trim();
  if (text !== "") input.value = "";
  say("");
  return text;
}

byId("composer", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  if (model?.kind !== "general" || entries.running()) return;
  const text = takeInput();
  if (text) void host.send({ type: "chat", text });
});

input.addEventListener("keydown", (event) => {
  // While somebody composes a character, Enter belongs to the input method.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || model?.kind !== "general") return;
  event.preventDefault();
  input.form?.requestSubmit();
});

for (const button of document.querySelectorAll("[data-task]")) {
  button.addEventListener("click", () => {
    const kind = /** @type {"ticket" | "invoice"} */ (button.getAttribute("data-task"));
    const text = takeInput();
    if (text) void host.send({ type: "task", task: { kind, text, place: null } });
    else input.focus();
  });
}

stop.addEventListener("click", () => void host.send({ type: "stop" }));
for (const id of ["clear", "clear-forms"]) {
  byId(id, HTMLButtonElement).addEventListener("click", () => {
    earlier.replaceChildren();
    void host.send({ type: "clear" });
  });
}
byId("page-drop", HTMLButtonElement).addEventListener("click", () => void host.send({ type: "page", page: null }));

byId("ask-page", HTMLButtonElement).addEventListener("click", async () => {
  say("");
  try {
    const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
    if (tab?.id === undefined) throw new Error("there is no tab");
    await host.send({ type: "page", page: await readPage(tab.id) });
    input.focus();
  } catch {
    say("This page cannot be read yet. Click the tabmind button in the toolbar while the page is in front: that is what gives access to it, once.");
  }
});
