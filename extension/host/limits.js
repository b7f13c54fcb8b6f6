// How much a site may ask for: so many calls a minute, so many at once. The model and the battery are the visitor's.

export const CALLS_PER_MINUTE = 30;
export const CALLS_AT_ONCE = 4;
const MINUTE_MS = 60_000;

export class Limits {
  /** When each origin's calls of the last minute began. @type {Map<string, number[]>} */
  #recent = new Map();
  /** @type {Map<string, number>} */
  #running = new Map();

  /**
   * Takes a place for one call, or says when to come back. `leave` gives the place back.
   * @param {string} origin
   * @param {number} [now]
   * @returns {{ ok: true, leave: () => void } | { ok: false, retryAfterSeconds: number }}
   */
  enter(origin, now = Date.now()) {
    const recent = (this.#recent.get(origin) ?? []).filter((at) => now - at < MINUTE_MS);
    this.#recent.set(origin, recent);
    const running = this.#running.get(origin) ?? 0;
    const oldest = recent[0];
    if (oldest !== undefined && recent.length >= CALLS_PER_MINUTE) return { ok: false, retryAfterSeconds: Math.ceil((MINUTE_MS - (now - oldest)) / 1000) };
    if (running >= CALLS_AT_ONCE) return { ok: false, retryAfterSeconds: 1 };
    recent.push(now);
    this.#running.set(origin, running + 1);
    return { ok: true, leave: () => this.#running.set(origin, (this.#running.get(origin) ?? 1) - 1) };
  }
}
