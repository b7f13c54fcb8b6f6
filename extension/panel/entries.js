// What was said, as the host tells it: entries are drawn anew as they change, and only what changed.
import { el } from "../www/dom.js";
import { renderMarkdown } from "../www/markdown.js";
import { TITLES } from "../titles.js";
import { resultButtons } from "./results.js";
import { formTable } from "./form-table.js";

/**
 * @typedef {import("../protocol.js").Entry} Entry
 * @typedef {import("./results.js").Tools} Tools
 * @typedef {{ entry: Entry, node: HTMLElement, body: HTMLElement, foot: HTMLElement }} Drawn
 */

const ENDINGS = /** @type {Record<Entry["state"], string>} */ ({
  done: "",
  waiting: "",
  streaming: "",
  stopped: "Stopped.",
  length: "Cut off: the answer had no more room.",
  failed: "",
});

/**
 * @param {HTMLElement} list
 * @param {Tools} tools
 */
export function createEntries(list, tools) {
  /** @type {Map<number, Drawn>} */
  const drawn = new Map();

  /** @param {Entry} entry */
  function show(entry) {
    const old = drawn.get(entry.id);
    const one = old ?? create(entry);
    one.entry = entry;
    const atEnd = isAtEnd();
    if (entry.role === "user") one.body.textContent = entry.text;
    else if (entry.form) one.body.replaceChildren(formTable(entry, tools));
    else renderMarkdown(one.body, entry.text);
    one.node.classList.toggle("streaming", isRunning(entry));
    one.node.setAttribute("aria-busy", String(isRunning(entry)));
    one.foot.replaceChildren(...footOf(entry, tools));
    if (old === undefined || atEnd) one.node.scrollIntoView({ block: "end" });
  }

  /** @param {Entry} entry */
  function create(entry) {
    const title = entry.kind === "chat" ? "" : TITLES[entry.kind];
    const body = el("div", { class: "message-body" });
    const foot = el("div", { class: "entry-foot" });
    const author = entry.role === "user" ? ["You", title].filter(Boolean).join(" · ") : "Answer";
    const node = el("article", { class: `message message-${entry.role}` }, el("p", { class: "message-author" }, author), body, foot);
    const one = { entry, node, body, foot };
    list.append(node);
    drawn.set(entry.id, one);
    return one;
  }

  return {
    show,
    /** @param {Entry[]} entries */
    replace(entries) {
      list.replaceChildren();
      drawn.clear();
      entries.forEach(show);
    },
    count: () => drawn.size,
    running: () => [...drawn.values()].some(({ entry }) => isRunning(entry)),
    /** Nothing more will come for what is being written, which says so. Answers what stood here; it is the caller's now. */
    interrupt() {
      for (const { entry } of drawn.values()) {
        if (isRunning(entry)) show({ ...entry, state: "failed", problem: interrupted });
      }
      drawn.clear();
      return [...list.children];
    },
  };
}

const interrupted = { code: "host_ended", message: "The engine ended before the answer did: this is what had been written.", hint: null };

/** @param {Entry} entry */
const isRunning = ({ state }) => state === "waiting" || state === "streaming";

/** Whoever has scrolled up to read is not pulled down. */
const isAtEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 80;

/**
 * @param {Entry} entry
 * @param {Tools} tools
 * @returns {Node[]}
 */
function footOf(entry, tools) {
  if (entry.role === "user") return [];
  const said = [entry.state === "waiting" ? "Reading…" : ENDINGS[entry.state], entry.note].filter(Boolean).join(" ");
  const nodes = said ? [el("p", { class: "note" }, said)] : [];
  if (entry.problem) nodes.push(problemNode(entry, tools));
  return isRunning(entry) ? nodes : [...nodes, ...resultButtons(entry, tools)];
}

/**
 * @param {Entry} entry
 * @param {Tools} tools
 */
function problemNode({ id, problem }, { host, chooseModel }) {
  const again = el("button", { type: "button", class: "small", onclick: () => void host.send({ type: "again", id }) }, "Try again");
  const choose = el("button", { type: "button", class: "small primary", onclick: chooseModel }, "Choose a model");
  const ways = problem?.code === "needs_general_model" ? [choose, again] : problem === interrupted ? [] : [again];
  return el("div", { class: "problem-card", role: "alert" }, el("p", {}, problem?.message ?? ""), el("p", { class: "note" }, problem?.hint ?? ""), el("div", { class: "row" }, ...ways));
}
