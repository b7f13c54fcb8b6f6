// Runs in the page's own world, before the page's scripts: puts `window.tabmind` there. The object is the same for every
// page, whether it is allowed anything or not, and whatever model there is. It knows nothing and only passes calls on.
(() => {
  if (location.origin === "null" || Object.hasOwn(window, "tabmind")) return;

  /** @typedef {import("../protocol.js").SiteAnswer} SiteAnswer */

  const channel = new MessageChannel();
  /** @type {Map<number, (answer: SiteAnswer) => void>} */
  const calls = new Map();
  let lastId = 0;
  channel.port1.onmessage = ({ data }) => calls.get(data.id)?.(data);
  window.postMessage("tabmind:connect", location.origin, [channel.port2]);

  /** @param {Extract<SiteAnswer, { type: "error" }>["error"]} error */
  function toError({ name, code, message, hint }) {
    if (name === "AbortError") return new DOMException("The call was aborted.", "AbortError");
    return Object.assign(new Error(message), { name, code, hint });
  }

  /**
   * @param {{ stream?: boolean }} params as OpenAI's `chat.completions.create` takes them
   * @param {{ signal?: AbortSignal }} [options]
   */
  async function create(params, { signal } = {}) {
    // What cannot be sent is the caller's mistake and is thrown here.
    const json = /** @type {Record<string, unknown>} */ (JSON.parse(JSON.stringify(params)));
    signal?.throwIfAborted();
    const id = ++lastId;
    const abort = () => channel.port1.postMessage({ type: "abort", id });
    signal?.addEventListener("abort", abort);
    return new Promise((resolve, reject) => {
      const stream = createStream(abort);
      let streaming = false;
      calls.set(id, (answer) => {
        if (answer.type === "start") {
          streaming = true;
          return resolve(stream.chunks);
        }
        if (answer.type !== "chunk") {
          calls.delete(id);
          signal?.removeEventListener("abort", abort);
        }
        if (streaming) stream.push(answer);
        else if (answer.type === "result") resolve(answer.result);
        else if (answer.type === "error") reject(toError(answer.error));
      });
      channel.port1.postMessage({ type: "create", id, params: json });
    });
  }

  /**
   * Answers as an AsyncIterable of chunks. An error comes behind the chunks before it, so that a partial text is kept.
   * @param {() => void} leave called if the reader goes before the end
   */
  function createStream(leave) {
    /** @type {SiteAnswer[]} */
    const answers = [];
    let wake = () => {};
    async function* read() {
      let over = false;
      try {
        for (;;) {
          const answer = answers.shift();
          if (answer === undefined) await new Promise((resolve) => (wake = () => resolve(undefined)));
          else if (answer.type === "chunk") yield answer.chunk;
          else {
            over = true;
            if (answer.type === "error") throw toError(answer.error);
            return;
          }
        }
      } finally {
        if (!over) leave();
      }
    }
    const push = (/** @type {SiteAnswer} */ answer) => {
      answers.push(answer);
      wake();
    };
    return { chunks: read(), push };
  }

  const api = Object.freeze({ chat: Object.freeze({ completions: Object.freeze({ create }) }) });
  Object.defineProperty(window, "tabmind", { value: api, enumerable: true });
})();
