// One model writes one answer at a time. The person at the keyboard goes before sites; sites take turns as they come.

/** @typedef {{ start: () => void }} Waiting */

export class Queue {
  #busy = false;
  /** @type {Record<"person" | "site", Waiting[]>} */
  #waiting = { person: [], site: [] };

  /**
   * Runs `work` when it is its turn; the turn ends when its promise settles. Aborted while it waits, it never runs.
   * @template T
   * @param {"person" | "site"} who
   * @param {AbortSignal} signal
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async run(who, signal, work) {
    await this.#turn(who, signal);
    try {
      return await work();
    } finally {
      this.#busy = false;
      (this.#waiting.person.shift() ?? this.#waiting.site.shift())?.start();
    }
  }

  /**
   * @param {"person" | "site"} who
   * @param {AbortSignal} signal
   */
  #turn(who, signal) {
    signal.throwIfAborted();
    if (!this.#busy) {
      this.#busy = true;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const line = this.#waiting[who];
      const place = {
        start: () => {
          signal.removeEventListener("abort", leave);
          this.#busy = true;
          resolve(undefined);
        },
      };
      const leave = () => {
        line.splice(line.indexOf(place), 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      line.push(place);
    });
  }
}
