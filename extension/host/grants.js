// Which sites may use the model. Asked once per origin, in a window of the extension; kept until the options page forgets it.

/**
 * @typedef {import("../protocol.js").Decision} Decision
 * @typedef {import("../protocol.js").Site} Site
 * @typedef {{ settle: (allowed: boolean) => void, promise: Promise<boolean> }} Prompt
 */

const KEY = "tabmind.sites";
/** A window that was closed is no answer, but a site must not open the next one at once. */
const REST_AFTER_CLOSING_MS = 10 * 60_000;

export class Grants {
  /** @type {Map<string, Site>} */
  #sites;
  /** @type {Map<string, Prompt>} */
  #prompts = new Map();
  /** @type {Map<string, number>} */
  #restUntil = new Map();
  #openPrompt;
  #onChange;

  /**
   * @param {(origin: string) => Promise<void>} openPrompt opens the window; it resolves when the window is there
   * @param {(sites: Site[]) => void} onChange
   */
  constructor(openPrompt, onChange) {
    const stored = /** @type {Site[]} */ (JSON.parse(localStorage.getItem(KEY) ?? "[]"));
    this.#sites = new Map(stored.map((site) => [site.origin, site]));
    this.#openPrompt = openPrompt;
    this.#onChange = onChange;
  }

  list() {
    return [...this.#sites.values()];
  }

  /** @param {string} origin */
  allows(origin) {
    return this.#sites.get(origin)?.decision === "allowed";
  }

  /**
   * Whether the site may go on. Who was never asked is asked, if a person has just done something on that page.
   * @param {string} origin
   * @param {boolean} active
   * @returns {Promise<boolean>}
   */
  async ask(origin, active) {
    const known = this.#sites.get(origin);
    if (known !== undefined) return known.decision === "allowed";
    const open = this.#prompts.get(origin);
    if (open !== undefined) return open.promise;
    if (!active || Date.now() < (this.#restUntil.get(origin) ?? 0)) return false;
    /** @type {(allowed: boolean) => void} */
    let settle = () => {};
    const promise = new Promise((/** @type {(allowed: boolean) => void} */ resolve) => (settle = resolve));
    this.#prompts.set(origin, { settle, promise });
    this.#openPrompt(origin).catch(() => this.dismiss(origin));
    return promise;
  }

  /** Only what was asked can be answered. @param {string} origin @param {Decision} decision */
  decide(origin, decision) {
    const prompt = this.#prompts.get(origin);
    if (prompt === undefined) return;
    this.#prompts.delete(origin);
    this.#sites.set(origin, { origin, decision, at: Date.now() });
    this.#store();
    prompt.settle(decision === "allowed");
  }

  /** The window was closed without an answer. @param {string} origin */
  dismiss(origin) {
    const prompt = this.#prompts.get(origin);
    if (prompt === undefined) return;
    this.#prompts.delete(origin);
    this.#restUntil.set(origin, Date.now() + REST_AFTER_CLOSING_MS);
    prompt.settle(false);
  }

  /** As if it had never been asked. @param {string} origin */
  forget(origin) {
    this.#sites.delete(origin);
    this.#restUntil.delete(origin);
    this.#store();
  }

  #store() {
    localStorage.setItem(KEY, JSON.stringify(this.list()));
    this.#onChange(this.list());
  }
}
