// What only a background script hears: menus, the toolbar button, permissions. It routes and keeps nothing.
import { createMenus, wishOf } from "./menus.js";
import { syncSiteAccess } from "./site-access.js";

/** @typedef {import("../protocol.js").Wish} Wish */

/**
 * @param {object} outside what differs between browsers
 * @param {() => Promise<void>} outside.wakeHost
 * @param {(wish: Extract<Wish, { to: "host" }>) => void} outside.tellHost
 * @param {(tab: chrome.tabs.Tab) => Promise<void>} outside.openPanel
 */
export function startBackground({ wakeHost, tellHost, openPanel }) {
  chrome.runtime.onInstalled.addListener(() => {
    void createMenus();
    void syncSiteAccess();
  });
  chrome.permissions.onAdded.addListener(() => void syncSiteAccess());
  chrome.permissions.onRemoved.addListener(() => void syncSiteAccess());

  chrome.action.onClicked.addListener((tab) => void openPanel(tab));
  chrome.contextMenus.onClicked.addListener(async (info, tab) => {
    if (tab?.id === undefined) return;
    // First of all: browsers open a panel only in direct answer to a click. Where one is open already this does nothing.
    openPanel(tab).catch((error) => console.warn(`tabmind: the panel did not open: ${error.message}`));
    const [wish] = await Promise.all([wishOf(info, tab.id), wakeHost()]);
    tellHost(wish);
  });

  chrome.runtime.onMessage.addListener((/** @type {Wish} */ wish, sender, answer) => {
    if (wish.to !== "background") return;
    if (wish.type === "prompt" && sender.origin !== location.origin) return; // only the host asks people
    const work = wish.type === "prompt" ? openPrompt(wish.origin) : wakeHost();
    work.then(() => answer({ ok: true }), (error) => answer({ ok: false, message: error.message }));
    return true; // the answer comes later
  });
}

/**
 * The window that asks whether a site may use the model.
 * @param {string} origin
 */
export async function openPrompt(origin) {
  const url = chrome.runtime.getURL(`permission.html?${new URLSearchParams({ origin })}`);
  await chrome.windows.create({ url, type: "popup", width: 460, height: 420 });
}
