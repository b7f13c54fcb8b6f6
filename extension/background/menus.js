// The context menu: which entries there are, and what a click on one means.
import { readPage, readSelection } from "../page-access.js";
import { TITLES } from "../titles.js";

/** @typedef {import("../protocol.js").Wish} Wish */
/** @typedef {import("../protocol.js").TaskKind} TaskKind */

const PAGE = "page";

export async function createMenus() {
  await chrome.contextMenus.removeAll();
  for (const [id, title] of Object.entries(TITLES)) chrome.contextMenus.create({ id, title, contexts: ["selection"] });
  chrome.contextMenus.create({ id: PAGE, title: "Ask about this page", contexts: ["page"] });
}

/**
 * What the host is told after a click.
 * @param {chrome.contextMenus.OnClickData} info
 * @param {number} tabId
 * @returns {Promise<Extract<Wish, { to: "host" }>>}
 */
export async function wishOf({ menuItemId, selectionText = "", frameId = 0 }, tabId) {
  if (menuItemId === PAGE) return { to: "host", type: "page", page: await readPage(tabId) };
  const place = { tabId, frameId };
  // A page where no script may run, such as a PDF, still has what the menu knows.
  const text = (await readSelection(place).catch(() => "")) || selectionText;
  return { to: "host", type: "task", task: { kind: /** @type {TaskKind} */ (menuItemId), text, place } };
}
