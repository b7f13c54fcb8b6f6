/*
 * Wires the page: its four rooms, and what they share. A room is a tab at the top; `#chat` in the address opens one.
 */
import { createDeskRoom } from "./desk-room.js";
import { byId } from "./dom.js";
import { createModelRoom } from "./model-room.js";
import { createNetworkLine } from "./network-line.js";
import { createRequestLog } from "./request-log.js";
import { createTabs } from "./tabs.js";

/** The part of the address after "#", and the tab that it opens. */
const ADDRESSES = /** @type {Record<string, string>} */ ({ "#form": "tab-form", "#chat": "tab-model", "#network": "tab-left", "#benchmark": "tab-bench" });

const log = createRequestLog();
const rooms = createTabs(byId("rooms", HTMLElement), (id) => {
  const tab = byId(id, HTMLButtonElement);
  document.body.dataset.room = tab.getAttribute("aria-controls") ?? "";
  const address = Object.keys(ADDRESSES).find((hash) => ADDRESSES[hash] === id);
  if (address && location.hash !== address) history.replaceState(null, "", address === "#form" ? location.pathname + location.search : address);
});

createNetworkLine(log, () => rooms.select("tab-left"));
createModelRoom({ log, sealed: () => true, onUse: () => {} });
createDeskRoom({
  sealed: () => true,
  onReady: (engine) => {
    log.watch("desk", engine);
    log.pageIsReady();
  },
  onUse: () => log.tell(),
});

const open = () => rooms.select(ADDRESSES[location.hash] ?? "tab-form");
addEventListener("hashchange", open);
open();
