// Calls from sites. The origin is the one that the browser gives for the port; nothing that a page says about itself counts.
import { until } from "./conversation.js";
import { Limits } from "./limits.js";
import { ExtensionError, describeProblem, isAbort } from "./problem.js";

/**
 * @typedef {import("../protocol.js").SiteAnswer} SiteAnswer
 * @typedef {import("../protocol.js").SiteMessage} SiteMessage
 * @typedef {Extract<SiteMessage, { type: "create" }>} Create
 * @typedef {{ origin: string, post: (answer: SiteAnswer) => void, calls: Map<number, AbortController> }} Client
 */

/** One error for every reason, so that a page cannot tell them apart. */
const notAllowed = () =>
  new ExtensionError("not_allowed", "This site may not use the visitor's model.", "Call it in answer to a click: the visitor is asked in a window of the extension, and decides.");

export class Sites {
  /** @type {Set<Client>} */
  #clients = new Set();
  #limits = new Limits();
  #models;
  #queue;
  #grants;

  /**
   * @param {import("./models.js").Models} models
   * @param {import("./queue.js").Queue} queue
   * @param {import("./grants.js").Grants} grants
   */
  constructor(models, queue, grants) {
    this.#models = models;
    this.#queue = queue;
    this.#grants = grants;
  }

  /**
   * @param {chrome.runtime.Port} port
   * @param {string} origin
   */
  connect(port, origin) {
    /** @type {Client} */
    const client = { origin, post: (answer) => port.postMessage(answer), calls: new Map() };
    this.#clients.add(client);
    port.onMessage.addListener((/** @type {SiteMessage} */ message) => {
      if (message.type === "abort") client.calls.get(message.id)?.abort();
      else void this.#answer(client, message);
    });
    port.onDisconnect.addListener(() => {
      this.#clients.delete(client);
      client.post = () => {};
      for (const call of client.calls.values()) call.abort();
    });
  }

  /** Ends every call of an origin that lost its permission. @param {string} origin */
  revoke(origin) {
    for (const client of this.#clients) {
      if (client.origin === origin) for (const call of client.calls.values()) call.abort(notAllowed());
    }
  }

  /**
   * @param {Client} client
   * @param {Create} message
   */
  async #answer(client, { id, params, active }) {
    const call = new AbortController();
    client.calls.set(id, call);
    let leave = () => {};
    try {
      if (!(await until(call.signal, this.#grants.ask(client.origin, active)))) throw notAllowed();
      const place = this.#limits.enter(client.origin);
      if (!place.ok) throw new ExtensionError("rate_limited", "This site asks for more than it may.", `Try again in ${place.retryAfterSeconds} s.`);
      leave = place.leave;
      await this.#queue.run("site", call.signal, () => this.#run(client, id, params, call.signal));
    } catch (error) {
      this.#models.forgetIfDead(error);
      // The reason of an abort is the site's own, or a permission that was taken back.
      const reason = call.signal.aborted ? call.signal.reason : error;
      const name = isAbort(reason) ? "AbortError" : "TabmindError";
      client.post({ type: "error", id, error: { name, ...describeProblem(reason) } });
    } finally {
      leave();
      client.calls.delete(id);
    }
  }

  /**
   * @param {Client} client
   * @param {number} id
   * @param {Record<string, unknown>} params
   * @param {AbortSignal} signal
   */
  async #run(client, id, params, signal) {
    const engine = await until(signal, this.#engineFor(params));
    const { create } = engine.chat.completions;
    const request = /** @type {import("tabmind").ChatParams} */ (/** @type {unknown} */ (params));
    if (params["stream"] !== true) {
      client.post({ type: "result", id, result: await create({ ...request, stream: false }, { signal }) });
      return;
    }
    const stream = await create({ ...request, stream: true }, { signal });
    client.post({ type: "start", id });
    for await (const chunk of stream) client.post({ type: "chunk", id, chunk });
    client.post({ type: "end", id });
  }

  /**
   * desk answers what asks for a form. A site is not told which model failed to load, or why.
   * @param {Record<string, unknown>} params
   */
  async #engineFor(params) {
    const wantsForm = /** @type {{ type?: unknown } | undefined} */ (params["response_format"])?.type === "json_schema";
    try {
      return await (wantsForm ? this.#models.chosen() : this.#models.general());
    } catch (error) {
      if (describeProblem(error).code === "needs_general_model") {
        throw new ExtensionError("no_model", "The visitor has chosen no model that can chat.", "Ask for a form by `response_format: { type: \"json_schema\" }`, or do without.");
      }
      throw new ExtensionError("no_model", "The visitor's model could not be loaded.", "The visitor sees the reason in the extension's panel.");
    }
  }
}
