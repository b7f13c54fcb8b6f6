/*
 * The conversation: messages, the composer, and one answer streaming in at a time.
 */
import { byId, copyFrom, el } from "./dom.js";
import { clearError, showError } from "./error-card.js";
import { Generation, describeEnding, describeStats } from "./generation.js";
import { renderMarkdown } from "./markdown.js";
import { followScroll } from "./scroll.js";

/** @typedef {import("./tabmind.js").Engine} Engine */
/** @typedef {{ role: "user" | "assistant", content: string }} Turn */

const SAMPLES = ["Explain what a key–value cache is.", "Write two lines about rain on a tin roof.", "List three uses for an old newspaper."];

/**
 * @param {{ settings: ReturnType<typeof import("./settings.js").createSettings>, waysOut: Record<"choose" | "cpu" | "reload", () => void>, onBusy: () => void, onUse: (usage: import("./tabmind.js").Usage) => void, goToComplete: () => void }} wiring
 */
export function createChatView({ settings, waysOut, onBusy, onUse, goToComplete }) {
  const scroll = byId("chat-scroll", HTMLElement);
  const messages = byId("chat-messages", HTMLElement);
  const empty = byId("chat-empty", HTMLElement);
  const errorSlot = byId("chat-error", HTMLElement);
  const input = byId("chat-input", HTMLTextAreaElement);
  const send = byId("chat-send", HTMLButtonElement);
  const startOver = byId("chat-new", HTMLButtonElement);
  const stats = byId("chat-stats", HTMLElement);
  const status = byId("chat-status", HTMLElement);
  const follow = followScroll(scroll);
  /** @type {Turn[]} */
  let turns = [];
  /** @type {Engine | null} */
  let engine = null;
  let name = "";
  /** @type {Generation | null} */
  let running = null;

  function showState() {
    const canChat = engine?.info.hasChatTemplate !== false;
    send.textContent = running ? "Stop" : "Send";
    send.classList.toggle("primary", !running);
    send.disabled = !canChat;
    input.disabled = !canChat;
    startOver.disabled = turns.length === 0 && messages.childElementCount === 0;
    empty.hidden = messages.childElementCount > 0;
    scroll.setAttribute("aria-busy", String(running !== null));
    onBusy();
  }

  /** What an empty conversation says: where to begin, or why this model cannot chat. */
  function fillEmpty() {
    if (!engine) return;
    empty.replaceChildren(
      ...(engine.info.hasChatTemplate === false
        ? [
            el("p", { class: "empty-title" }, `${name} has no chat template`),
            el("p", {}, "It was made to continue a text, not to answer messages."),
            el("p", {}, el("button", { type: "button", onclick: goToComplete }, "Continue a text instead")),
          ]
        : [
            el("p", { class: "empty-title" }, `Ask ${name}`),
            el("p", {}, "It answers from this tab’s memory. Small models make things up: check what matters."),
            el("div", { class: "samples" }, ...SAMPLES.map((sample) => el("button", { type: "button", onclick: () => void ask(sample) }, sample))),
          ]),
    );
  }

  /**
   * @param {Turn["role"]} role
   * @param {string} author
   */
  function addMessage(role, author) {
    const body = el("div", { class: "message-body" });
    const note = el("p", { class: "message-note" });
    const node = el("article", { class: `message message-${role}` }, el("p", { class: "message-author" }, author), body, note);
    messages.append(node);
    return { node, body, note };
  }

  /**
   * Takes the last question and its answer away again.
   * @returns {string} the question
   */
  function takeBack() {
    messages.lastElementChild?.remove();
    messages.lastElementChild?.remove();
    turns.pop();
    return turns.pop()?.content ?? "";
  }

  /** Both belong to the last answer only: what came before it is what it was an answer to. */
  function regenerate() {
    if (!running && turns.length > 0) void ask(takeBack());
  }

  function editQuestion() {
    if (running || turns.length === 0) return;
    input.value = takeBack();
    showLastActions();
    showState();
    input.focus();
  }

  function showLastActions() {
    for (const button of messages.querySelectorAll(".last-only")) button.remove();
    const note = messages.lastElementChild?.querySelector(".message-note");
    if (turns.length === 0 || !note) return;
    note.querySelector("button")?.after(
      el("button", { type: "button", class: "quiet small last-only", onclick: regenerate }, "Regenerate"),
      el("button", { type: "button", class: "quiet small last-only", onclick: editQuestion }, "Edit question"),
    );
  }

  /** @param {string} question */
  async function ask(question) {
    const current = engine;
    const chosen = settings.read();
    if (!current || !chosen || running || !question.trim()) return;
    clearError(errorSlot);
    const asked = addMessage("user", "You");
    asked.body.textContent = question;
    const answer = addMessage("assistant", name);
    answer.node.classList.add("streaming");
    input.value = "";
    for (const button of messages.querySelectorAll(".last-only")) button.remove();

    const generation = new Generation((text, numbers) => {
      if (running !== generation) return; // "New chat" has thrown this answer away
      renderMarkdown(answer.body, text);
      stats.textContent = describeStats(numbers);
      follow.keep();
    });
    running = generation;
    status.textContent = "Answering";
    showState();
    follow.toEnd();
    const history = [...(chosen.system ? [{ role: /** @type {const} */ ("system"), content: chosen.system }] : []), ...turns, { role: /** @type {const} */ ("user"), content: question }];
    const outcome = await generation.run((signal) =>
      current.chat.completions.create({ messages: history, ...chosen.sampling, stream: true, stream_options: { include_usage: true } }, { signal }),
    );

    if (running !== generation) return;
    running = null;
    if (outcome.usage) onUse(outcome.usage);
    answer.node.classList.remove("streaming");
    if (outcome.text) {
      turns.push({ role: "user", content: question }, { role: "assistant", content: outcome.text });
      finish(answer, outcome);
    } else if (outcome.ending === "stop" || outcome.ending === "length") {
      // Left out of the history: an empty answer would teach the model to give another.
      answer.note.textContent = "The model answered with nothing.";
    } else {
      // Nothing came: the question goes back where it was typed, so that no word is lost and the history stays in turns.
      asked.node.remove();
      answer.node.remove();
      if (!input.value) input.value = question;
      stats.textContent = "";
      showLastActions();
    }
    if (outcome.ending === "failed") showError(errorSlot, outcome.error, "The answer failed", { ...waysOut, retry: () => void ask(input.value), "new-chat": clear, shorten: () => input.focus(), "reset-settings": settings.reset });
    status.textContent = outcome.ending === "failed" ? "" : `Answer complete. ${stats.textContent}`;
    showState();
    follow.keep();
    input.focus({ preventScroll: true });
  }

  /**
   * @param {ReturnType<typeof addMessage>} answer
   * @param {import("./generation.js").Outcome} outcome
   */
  function finish(answer, outcome) {
    const copy = el("button", { type: "button", class: "quiet small", onclick: () => void copyFrom(copy, outcome.text) }, "Copy");
    answer.note.append(copy, el("span", {}, describeEnding(outcome.ending)));
    showLastActions();
  }

  function clear() {
    running?.stop();
    running = null;
    turns = [];
    messages.replaceChildren();
    clearError(errorSlot);
    stats.textContent = "";
    status.textContent = "";
    showState();
    input.focus();
  }

  byId("chat-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) running.stop();
    else void ask(input.value);
  });
  input.addEventListener("keydown", (event) => {
    // isComposing: Enter that accepts a suggestion of an input method does not send.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!running) void ask(input.value);
  });
  startOver.addEventListener("click", clear);

  return {
    /**
     * @param {Engine | null} next
     * @param {string} nextName
     */
    setEngine(next, nextName) {
      running?.stop();
      engine = next;
      name = nextName;
      clearError(errorSlot);
      fillEmpty();
      showState();
    },
    stop: () => running?.stop(),
    isBusy: () => running !== null,
    focus: () => input.focus({ preventScroll: true }),
  };
}
