// Chrome's background: a service worker, which ends after half a minute of rest. The host lives on in its offscreen document.
import { startBackground } from "./background/start.js";

const HOST = "offscreen.html";
/** @type {Promise<void> | null} */
let creating = null;

async function wakeHost() {
  if (await chrome.offscreen.hasDocument()) return;
  // Two tabs may ask at once, and only one document is allowed.
  creating ??= chrome.offscreen
    .createDocument({ url: HOST, reasons: ["WORKERS"], justification: "The language model runs in a worker, which a service worker cannot start." })
    .finally(() => (creating = null));
  await creating;
}

startBackground({
  wakeHost,
  tellHost: (wish) => void chrome.runtime.sendMessage(wish),
  openPanel: ({ windowId }) => chrome.sidePanel.open({ windowId }),
});
