/*
 * What left this tab, in one line, and every request in a list behind it.
 *
 * The numbers are the engine's own log. They cover what the package fetched, not the page's own files, and the line says so.
 */
import { byId, el } from "./dom.js";
import * as format from "./format.js";

/** @typedef {import("./tabmind.js").Engine} Engine */

export function createNetworkLine() {
  const details = byId("network", HTMLDetailsElement);
  const line = byId("network-line", HTMLElement);
  const explain = byId("network-explain", HTMLElement);
  const list = byId("network-list", HTMLElement);
  /** @type {Engine | null} */
  let engine = null;
  let requestsWhenReady = 0;
  /** @type {string | null} the host that a load which did not succeed was about, for its requests have no engine to list them */
  let unlistedHost = null;

  function refresh() {
    const requests = engine?.networkRequests() ?? [];
    const since = requests.length - requestsWhenReady;
    const received = requests.reduce((sum, request) => sum + request.bytes, 0);
    const text = engine
      ? `${since === 0 ? "Nothing has left this tab" : `${format.plural(since, "request")} left this tab`} since the model was ready. Before: ${requests.length === since ? "no request" : `${format.plural(requests.length - since, "request")}, ${format.bytes(received)} received`}.`
      : unlistedHost
        ? `A model was asked for from ${unlistedHost}. Nothing you typed left this tab.`
        : "Nothing has left this tab but the requests for this page’s own files.";
    // A status region is read aloud when it changes, so it is only touched when it does.
    if (line.textContent !== text) line.textContent = text;
    details.classList.toggle("loud", since > 0);
    explain.textContent = engine
      ? "Every request the engine made, from its own log. They fetch the model; what you type is in none of them."
      : "Once a model is loaded, every request the engine makes is listed here.";
    list.replaceChildren(
      ...requests.map((request) => el("li", {}, el("span", { class: "network-url" }, request.url), el("span", { class: "network-bytes" }, format.bytes(request.bytes)))),
    );
  }

  details.addEventListener("toggle", refresh);
  document.addEventListener("click", (event) => {
    if (details.open && event.target instanceof Node && !details.contains(event.target)) details.open = false;
  });
  refresh();

  return {
    refresh,
    /** @param {Engine} ready */
    watch(ready) {
      engine = ready;
      requestsWhenReady = ready.networkRequests().length;
      unlistedHost = null;
      refresh();
    },
    /** @param {import("./tabmind.js").ModelSource} source */
    asking(source) {
      engine = null;
      unlistedHost = typeof source === "string" ? hostOf(source) : null;
      refresh();
    },
  };
}

/** @param {string} address */
function hostOf(address) {
  if (address.startsWith("hf:")) return "huggingface.co";
  if (address.startsWith("embedded:")) return null;
  return new URL(address, location.href).host;
}
