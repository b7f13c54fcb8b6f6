// What was said in the panel. It lives here and not in the panel, which may be closed and opened while a model writes.
import { ExtensionError, describeProblem, isAbort } from "./problem.js";
import { isForm } from "./tasks.js";
import { writeForm, writeTask, writeTurn } from "./writer.js";

/**
 * @typedef {import("../protocol.js").Entry} Entry
 * @typedef {import("../protocol.js").PageText} PageText
 * @typedef {import("../protocol.js").Patch} Patch
 * @typedef {import("../protocol.js").Task} Task
 */

export class Conversation {
  /** @type {Entry[]} */
  entries = [];
  /** @type {PageText | null} */
  page = null;
  #lastId = 0;
  #running = new AbortController();
  #models;
  #queue;
  #send;

  /**
   * @param {import("./models.js").Models} models
   * @param {import("./queue.js").Queue} queue
   * @param {(patch: Patch) => void} send
   */
  constructor(models, queue, send) {
    this.#models = models;
    this.#queue = queue;
    this.#send = send;
  }

  /** @param {PageText | null} page */
  about(page) {
    this.page = page;
    this.#send({ page: withoutText(page) });
  }

  /** @param {string} text */
  chat(text) {
    this.#add("user", "chat", text, null);
    return this.#answer(this.#add("assistant", "chat", "", null));
  }

  /** @param {Task} task */
  task({ kind, text, place }) {
    this.#add("user", kind, text, place);
    return this.#answer(this.#add("assistant", kind, "", place));
  }

  /** Writes an answer again, after the reason why it failed is gone. @param {number} id */
  again(id) {
    const entry = this.entries.find((one) => one.id === id && one.role === "assistant");
    if (entry === undefined || entry.state === "waiting" || entry.state === "streaming") return;
    Object.assign(entry, { text: "", state: "waiting", problem: null, note: null, form: null });
    return this.#answer(entry);
  }

  stop() {
    this.#running.abort();
    this.#running = new AbortController();
  }

  clear() {
    this.stop();
    this.entries = [];
    this.page = null;
    this.#send({ entries: [], page: null });
  }

  /**
   * @param {Entry["role"]} role
   * @param {Entry["kind"]} kind
   * @param {string} text
   * @param {Entry["place"]} place
   */
  #add(role, kind, text, place) {
    /** @type {Entry} */
    const entry = { id: ++this.#lastId, role, kind, text, place, state: role === "user" ? "done" : "waiting", problem: null, note: null, form: null };
    this.entries.push(entry);
    this.#send({ entry });
    return entry;
  }

  /** Never rejects: how it ended is in the entry, beside what was written until then. @param {Entry} entry */
  async #answer(entry) {
    const { signal } = this.#running;
    // A cleared conversation hears no more of its answers.
    const changed = () => this.entries.includes(entry) && this.#send({ entry });
    changed();
    try {
      await this.#queue.run("person", signal, () => this.#write(entry, signal, changed));
      if (entry.state === "waiting" || entry.state === "streaming") entry.state = "done";
    } catch (error) {
      entry.state = isAbort(error) && signal.aborted ? "stopped" : "failed";
      if (entry.state === "failed") entry.problem = describeProblem(error);
      this.#models.forgetIfDead(error);
    }
    changed();
  }

  /**
   * @param {Entry} entry
   * @param {AbortSignal} signal
   * @param {() => void} changed
   */
  async #write(entry, signal, changed) {
    const asked = this.entries[this.entries.indexOf(entry) - 1];
    if (asked === undefined) throw new ExtensionError("closed", "The conversation was cleared.", "Ask again.");
    if (isForm(entry.kind)) {
      return writeForm({ engine: await until(signal, this.#models.forms()), entry, signal, changed }, asked.text);
    }
    const engine = await until(signal, this.#models.general());
    const job = { engine, entry, signal, changed };
    return entry.kind === "chat" ? writeTurn(job, this.#turns(entry), this.page) : writeTask(job, asked.text);
  }

  /** The chat up to an answer: finished turns, and the question. @param {Entry} answer */
  #turns(answer) {
    const before = this.entries.slice(0, this.entries.indexOf(answer)).filter(({ kind }) => kind === "chat");
    const question = /** @type {Entry} */ (before.pop());
    const turns = before.flatMap((entry, index) => {
      const reply = before[index + 1];
      return entry.role === "user" && reply?.role === "assistant" && reply.text ? [entry, reply] : [];
    });
    return [...turns, question].map(({ role, text }) => ({ role, content: text }));
  }
}

/** @param {PageText | null} page */
export const withoutText = (page) => page && { title: page.title, url: page.url, place: page.place };

/**
 * A promise, or the abort of who waits for it: a load goes on for others.
 * @template T
 * @param {AbortSignal} signal
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export function until(signal, promise) {
  return new Promise((resolve, reject) => {
    const leave = () => reject(new DOMException("The call was aborted.", "AbortError"));
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
