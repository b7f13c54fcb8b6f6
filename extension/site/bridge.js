// Runs beside the page, in the extension's world: passes calls between the page and the host. The host learns the page's
// origin from the browser; this script adds only what the page cannot be trusted with: whether somebody has just clicked.
(() => {
  /** @typedef {import("../protocol.js").SiteAnswer} SiteAnswer */
  /** @typedef {import("../protocol.js").SiteMessage} SiteMessage */

  /** @type {Promise<chrome.runtime.Port> | null} */
  let line = null;
  /** @type {Set<number>} */
  const open = new Set();

  /** @param {MessagePort} page */
  function serve(page) {
    const tell = (/** @type {SiteAnswer} */ answer) => {
      if (answer.type === "result" || answer.type === "end" || answer.type === "error") open.delete(answer.id);
      page.postMessage(answer);
    };
    const failAll = () => {
      line = null;
      const error = { name: "TabmindError", code: "worker_died", message: "The visitor's model ended.", hint: "Call it again." };
      for (const id of open) tell({ type: "error", id, error });
    };

    async function connect() {
      await chrome.runtime.sendMessage({ to: "background", type: "wake-host" });
      const port = chrome.runtime.connect({ name: "site" });
      port.onMessage.addListener(tell);
      port.onDisconnect.addListener(failAll);
      return port;
    }

    page.onmessage = async ({ data }) => {
      /** @type {SiteMessage} */
      const message = data.type === "abort" ? { type: "abort", id: data.id } : { type: "create", id: data.id, params: data.params, active: navigator.userActivation.isActive };
      if (message.type === "create") open.add(message.id);
      try {
        line ??= connect();
        (await line).postMessage(message);
      } catch {
        failAll(); // the extension was updated or removed while the page was open
      }
    };
  }

  addEventListener("message", function first({ data, source, ports }) {
    if (data !== "tabmind:connect" || source !== window || ports[0] === undefined) return;
    removeEventListener("message", first);
    serve(ports[0]);
  });
})();
