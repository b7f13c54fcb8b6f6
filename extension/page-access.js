// What the extension does in a page, each time because somebody asked for it: `activeTab` allows it then, and only then.

/**
 * @typedef {import("./protocol.js").PageText} PageText
 * @typedef {import("./protocol.js").Place} Place
 */

/**
 * The article of a page, as Mozilla's Readability finds it.
 * @param {number} tabId
 * @returns {Promise<PageText>}
 */
export async function readPage(tabId) {
  const results = await chrome.scripting.executeScript({ target: { tabId }, files: ["page/Readability.js", "page/article.js"] });
  const { title, url, text } = /** @type {{ title: string, url: string, text: string }} */ (results[0]?.result);
  return { title, url, text, place: { tabId, frameId: 0 } };
}

/**
 * The selected text with its line breaks, which the menu's own copy of it lacks.
 * @param {Place} place
 * @returns {Promise<string>}
 */
export async function readSelection({ tabId, frameId }) {
  const results = await chrome.scripting.executeScript({ target: { tabId, frameIds: [frameId] }, func: selectedText });
  return results[0]?.result ?? "";
}

/**
 * Puts a text where the cursor is, or in place of what is selected there.
 * @param {Place} place
 * @param {string} text
 * @returns {Promise<boolean>} false if no field has the focus
 */
export async function insertText({ tabId, frameId }, text) {
  const results = await chrome.scripting.executeScript({ target: { tabId, frameIds: [frameId] }, func: insertIntoFocused, args: [text] });
  return results[0]?.result === true;
}

// The functions below run in the page: they stand for themselves.

function selectedText() {
  const field = document.activeElement;
  if ((field instanceof HTMLTextAreaElement || field instanceof HTMLInputElement) && field.selectionStart !== field.selectionEnd) {
    return field.value.slice(field.selectionStart ?? 0, field.selectionEnd ?? 0);
  }
  return getSelection()?.toString() ?? "";
}

/** @param {string} text */
function insertIntoFocused(text) {
  const field = document.activeElement;
  const isText = field instanceof HTMLTextAreaElement || (field instanceof HTMLInputElement && /^(?:text|search|email|url|tel|number|date|)$/u.test(field.type));
  if (!(field instanceof HTMLElement) || !(isText || field.isContentEditable)) return false;
  // As if it were typed, so that undo works and the page's own code notices. Some fields refuse: numbers, dates.
  if (document.execCommand("insertText", false, text)) return true;
  if (!isText) return false;
  field.value = text;
  field.dispatchEvent(new InputEvent("input", { bubbles: true, data: text, inputType: "insertText" }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
  return true;
}
