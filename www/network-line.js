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
  const earlier = byId("network-before", HTMLElement);
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
    const received = requests.slice(0, requestsWhenReady).reduce((sum, request) => sum + request.bytes, 0);
    setText(line, engine ? describeSince(since) : describeUnlisted(unlistedHost));
    setText(earlier, engine ? describeBefore(requestsWhenReady, received) : "");
    details.classList.toggle("loud", since > 0);
    explain.textContent = engine
      ? "Every request the engine made, from its own log. They fetch the engine and the model; what you type is in none of them."
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
      unlistedHost = hostOf(source);
      refresh();
    },
  };
}

/** @param {string | null} host */
function describeUnlisted(host) {
  return host ? `A model was asked for from ${host}. Nothing you typed left this tab.` : "Nothing has left this tab but the requests for this page’s own files.";
}

/** @param {number} count */
function describeSince(count) {
  return `Since loading, ${count === 0 ? "nothing has" : `${format.plural(count, "request")} ${count === 1 ? "has" : "have"}`} left this tab.`;
}

/**
 * @param {number} count
 * @param {number} bytes
 */
function describeBefore(count, bytes) {
  return count === 0 ? "Before: no request." : `Before: ${format.plural(count, "request")}, ${format.bytes(bytes)} received.`;
}

/**
 * A status region is read aloud when it changes, so it is only touched when it does.
 * @param {HTMLElement} node
 * @param {string} text
 */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {import("./tabmind.js").ModelSource} source
 * @returns {string | null} null for what needs no network: files, and models inside the package
 */
function hostOf(source) {
  const address = Array.isArray(source) ? source[0] : source;
  if (typeof address !== "string" || address.startsWith("embedded:")) return null;
  return address.startsWith("hf:") ? "huggingface.co" : new URL(address, location.href).host;
}
