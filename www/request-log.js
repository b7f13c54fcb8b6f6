/*
 * Every request that this page knows of: those of its engines, from their own logs, and those for its own files, from the browser's list. One mark divides each into before and after it was ready.
 */

/** @typedef {import("./tabmind.js").Engine} Engine */
/** @typedef {{ who: string, url: string, bytes: number, at: number, late: boolean }} Entry `late` ones were made after everything was loaded */

export function createRequestLog() {
  /** @type {{ who: string, engine: Engine, whenReady: number }[]} */
  const watched = [];
  /** @type {Entry[]} */
  const ofPage = [];
  /** @type {number} when the page had its files and the embedded model */
  let pageReadyAt = Infinity;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  const tell = () => {
    for (const listener of listeners) listener();
  };

  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!(entry instanceof PerformanceResourceTiming)) continue;
      const at = performance.timeOrigin + entry.startTime;
      ofPage.push({ who: "page", url: entry.name, bytes: entry.encodedBodySize, at, late: at > pageReadyAt });
    }
    tell();
  }).observe({ type: "resource", buffered: true });

  /** @returns {Entry[]} the oldest first; what an engine lists is not listed again as the page's */
  function entries() {
    const ofEngines = watched.flatMap(({ who, engine, whenReady }) =>
      engine.networkRequests().map(({ url, bytes, at }, index) => ({ who, url, bytes, at, late: index >= whenReady })),
    );
    const urls = new Set(ofEngines.map(({ url }) => url));
    return [...ofPage.filter(({ url }) => !urls.has(url)), ...ofEngines].sort((a, b) => a.at - b.at);
  }

  return {
    entries,
    late: () => entries().filter((entry) => entry.late),
    /**
     * @param {string} who
     * @param {Engine} engine one that has just been loaded
     */
    watch(who, engine) {
      watched.push({ who, engine, whenReady: engine.networkRequests().length });
      tell();
    },
    pageIsReady() {
      pageReadyAt = Date.now();
      tell();
    },
    tell,
    /** @param {() => void} listener */
    onChange: (listener) => void listeners.add(listener),
  };
}
