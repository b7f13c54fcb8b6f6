// The few DOM helpers the views share. Text always enters as a text node: there is no innerHTML in this page.

/**
 * The element with this id, which must be of the expected class: a renamed id fails at start-up with its name, not later as a null.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} with the id "${id}"`);
  return found;
}

/**
 * A new element: attributes as strings, `true` for bare ones, functions under "on…" as listeners, children as nodes or text.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | true | ((event: Event) => void)>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/**
 * Fills a definition list; rows without a value are left out.
 * @param {HTMLElement} list
 * @param {[string, string | null | undefined][]} rows
 */
export function setFacts(list, rows) {
  list.replaceChildren(...rows.flatMap(([name, value]) => (value ? [el("div", {}, el("dt", {}, name), el("dd", {}, value))] : [])));
}

/**
 * Copies text and says so on the button for a moment. The button keeps its width, so nothing beside it moves.
 * @param {HTMLButtonElement} button
 * @param {string} text
 */
export async function copyFrom(button, text) {
  const label = button.textContent ?? "";
  button.style.minWidth = `${button.offsetWidth}px`;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Refused"; // no permission, or not a secure context: the text can still be selected
  }
  setTimeout(() => (button.textContent = label), 1500);
}
