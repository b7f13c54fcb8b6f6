/*
 * Wires the page: its four rooms, and what they share. A room is a tab at the top; `#chat` in the address opens one.
 */
import { createBenchRoom } from "./bench-room.js";
import { createDeskRoom } from "./desk-room.js";
import { byId } from "./dom.js";
import { createLeftRoom } from "./left-room.js";
import { createModelRoom } from "./model-room.js";
import { createNetworkLine } from "./network-line.js";
import { createOffline } from "./offline.js";
import { createRequestLog } from "./request-log.js";
import { createSavings } from "./savings.js";
import { createSeal } from "./seal.js";
import { createTabs } from "./tabs.js";

/** The part of the address after "#", and the tab that it opens. */
const ADDRESSES = /** @type {Record<string, string>} */ ({ "#form": "tab-form", "#chat": "tab-model", "#network": "tab-left", "#benchmark": "tab-bench" });

const log = createRequestLog();
const offline = createOffline();
const savings = createSavings();
const seal = createSeal(log.tell);
const rooms = createTabs(byId("rooms", HTMLElement), (id) => {
  const tab = byId(id, HTMLButtonElement);
  if (id === "tab-left") left.refresh();
  if (id === "tab-bench") bench.refresh();
  document.body.dataset.room = tab.getAttribute("aria-controls") ?? "";
  const address = Object.keys(ADDRESSES).find((hash) => ADDRESSES[hash] === id);
  if (address && location.hash !== address) history.replaceState(null, "", address === "#form" ? location.pathname + location.search : address);
});

/**
 * An engine that is ready: its requests are counted from here on, and its files are kept.
 * @param {string} who
 * @param {import("./tabmind.js").Engine} engine
 */
function welcome(who, engine) {
  log.watch(who, engine);
  seal.watch(who, engine);
  const files = engine.networkRequests().map(({ url }) => url);
  void offline.keep(files.filter((url) => url.includes("/pkg/")).flatMap(withThreads));
}

/**
 * A page that is not isolated runs without threads, and is isolated by its service worker the next time: it then needs the modules with threads.
 * @param {string} url
 */
function withThreads(url) {
  return crossOriginIsolated ? [url] : [url, url.replace(/(?<=\/(?:worker|tabmind)-(?:simd|relaxed))(?=[._])/, "-threads")];
}

/** @param {import("./tabmind.js").Usage} usage */
function onUse(usage) {
  savings.add(usage);
  log.tell();
}

createNetworkLine(log, () => rooms.select("tab-left"));
const models = createModelRoom({ sealed: seal.isOn, onReady: welcome, onBusy: log.tell, onUse });
createDeskRoom({
  sealed: seal.isOn,
  onReady: (engine) => {
    log.pageIsReady();
    welcome("desk", engine);
  },
  onUse,
});
const bench = createBenchRoom({ chosen: models.chosen, onReady: (engine) => log.watch("benchmark", engine) });
const left = createLeftRoom({ log, offline, seal, savings });

const open = () => rooms.select(ADDRESSES[location.hash] ?? "tab-form");
addEventListener("hashchange", open);
open();
