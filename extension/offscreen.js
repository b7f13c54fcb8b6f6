// Chrome's host: an offscreen document, which has workers, and of the extension's APIs only `runtime`.
import { startHost } from "./host/start.js";

/** @typedef {import("./protocol.js").Wish} Wish */

const host = startHost({
  async openPrompt(origin) {
    const { ok, message } = await chrome.runtime.sendMessage({ to: "background", type: "prompt", origin });
    if (!ok) throw new Error(message);
  },
});

chrome.runtime.onMessage.addListener((/** @type {Wish} */ wish, sender) => {
  // Content scripts can send messages too; the service worker has no page and so no tab.
  if (wish.to === "host" && sender.tab === undefined && sender.id === chrome.runtime.id) host.receive(wish);
});
