// What was thrown, as data: what a person reads, and what crosses ports.

/** @typedef {import("../protocol.js").Problem} Problem */

/**
 * @param {unknown} error
 * @returns {Problem}
 */
export function describeProblem(error) {
  if (!(error instanceof Error)) return { code: "unexpected", message: String(error), hint: null };
  const { code, hint } = /** @type {{ code?: unknown, hint?: unknown }} */ (error);
  return { code: typeof code === "string" ? code : error.name, message: error.message, hint: typeof hint === "string" ? hint : null };
}

/** @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

/** An error of the extension itself, in the shape of the package's. */
export class ExtensionError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {string} hint
   */
  constructor(code, message, hint) {
    super(message);
    this.name = "TabmindError";
    this.code = code;
    this.hint = hint;
  }
}
