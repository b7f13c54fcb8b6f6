// A flat JSON object while it is being written: which values there are so far, and which of them are complete.

const MEMBER = /"((?:[^"\\]|\\.)*)"\s*:\s*(?:"((?:[^"\\]|\\.)*)("?)|([^\s",{}[\]]+)(?=([\s,}])?))/gy;

/**
 * Values as text; `null` where the model says that there is none.
 * @param {string} json any beginning of a flat object
 * @returns {Map<string, { text: string | null, complete: boolean }>}
 */
export function readPartialForm(json) {
  const found = new Map();
  let at = json.indexOf("{") + 1;
  for (;;) {
    while (/[\s,]/.test(json[at] ?? "")) at += 1;
    MEMBER.lastIndex = at;
    const match = MEMBER.exec(json);
    if (!match) return found;
    at = MEMBER.lastIndex;
    const [, key = "", string, closing, scalar, after] = match;
    if (string !== undefined) found.set(unescape(key), { text: unescape(string), complete: closing !== "" });
    else if (after !== undefined) found.set(unescape(key), { text: scalar === "null" ? null : (scalar ?? ""), complete: true });
    else if (scalar !== undefined && !"null".startsWith(scalar)) found.set(unescape(key), { text: scalar, complete: false });
  }
}

/**
 * The text that the inside of a JSON string stands for; an escape that is not complete yet is left out.
 * @param {string} inside
 */
function unescape(inside) {
  try {
    return JSON.parse(`"${inside.replace(/\\(u[\da-fA-F]{0,3})?$/, "")}"`);
  } catch {
    return inside;
  }
}
