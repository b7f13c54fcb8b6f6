// The line from one of the extension's pages to the host. It leads past the service worker, which may end at any time.

/**
 * @typedef {import("./protocol.js").Patch} Patch
 * @typedef {import("./protocol.js").ViewMessage} ViewMessage
 */

/**
 * @param {string} name
 * @param {{ onPatch: (patch: Patch) => void, onLost: () => void }} handlers `onLost`: the host ended, and with it whatever it was writing
 */
export function connectToHost(name, { onPatch, onLost }) {
  /** @type {Promise<chrome.runtime.Port> | null} */
  let line = null;

  async function open() {
    await chrome.runtime.sendMessage({ to: "background", type: "wake-host" });
    const port = chrome.runtime.connect({ name });
    port.onMessage.addListener(onPatch);
    port.onDisconnect.addListener(() => {
      line = null;
      onLost();
    });
    return port;
  }

  /** Connects if need be, so that a click after an accident starts the host again. */
  async function connected() {
    line ??= open();
    try {
      return await line;
    } catch (error) {
      line = null;
      throw error;
    }
  }

  void connected();
  return {
    /** @param {ViewMessage} message */
    async send(message) {
      (await connected()).postMessage(message);
    },
  };
}
