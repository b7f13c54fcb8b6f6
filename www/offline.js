/*
 * The page's side of its service worker (sw.js): what to keep for days without a network, and the switch that cuts the page off.
 */

/** @typedef {{ kept: boolean, canCut: boolean, cut: boolean, problem: string }} OfflineState */

export function createOffline() {
  /** @type {OfflineState} */
  const state = { kept: false, canCut: false, cut: false, problem: "" };
  /** @type {Set<() => void>} */
  const listeners = new Set();
  const registered = register();

  async function register() {
    if (!("serviceWorker" in navigator)) {
      state.problem = "This browser gives this page no service worker, which keeps a page for use without a network. It takes https, or a local address.";
      return null;
    }
    try {
      await navigator.serviceWorker.register("./sw.js", { updateViaCache: "none" });
      const { active } = await navigator.serviceWorker.ready;
      if (!navigator.serviceWorker.controller) await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
      state.canCut = true;
      state.cut = Boolean(await ask(active, {}));
      return active;
    } catch (error) {
      state.problem = `This page cannot be kept for use without a network: ${error instanceof Error ? error.message : error}`;
      return null;
    } finally {
      tell();
    }
  }

  function tell() {
    for (const listener of listeners) listener();
  }

  return {
    state,
    /** @param {() => void} listener */
    onChange: (listener) => void listeners.add(listener),
    /**
     * Keeps these files, and whatever the page itself has fetched.
     * @param {string[]} urls
     */
    async keep(urls) {
      const active = await registered;
      if (!active) return;
      const scope = new URL("./", document.baseURI).href;
      const used = performance.getEntriesByType("resource").map((entry) => entry.name);
      // These the browser fetches by itself, and does not list.
      const unlisted = ["./", "manifest.webmanifest", "logo.svg", "icon-192.png", "icon-512.png"].map((file) => new URL(file, scope).href);
      const own = [...new Set([...unlisted, ...used, ...urls])].filter((url) => url.startsWith(scope) && !url.includes("?"));
      state.kept = Boolean(await ask(active, { keep: own }));
      tell();
    },
    /** @param {boolean} cut */
    async setCut(cut) {
      const active = await registered;
      if (active) state.cut = Boolean(await ask(active, { cut }));
      tell();
    },
  };
}

/**
 * @param {ServiceWorker | null} worker
 * @param {{ keep?: string[], cut?: boolean }} message
 * @returns {Promise<unknown>}
 */
function ask(worker, message) {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = ({ data }) => resolve(data);
    worker?.postMessage(message, [port2]);
  });
}
