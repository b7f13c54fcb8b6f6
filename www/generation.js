/*
 * One running answer: reads a stream, counts, and tells the view about it once per frame.
 *
 * Chat and completion streams differ only in where a chunk keeps its text, so both views share this file.
 */
import * as format from "./format.js";

/**
 * @typedef {import("./tabmind.js").ChatChunk | import("./tabmind.js").CompletionChunk} Chunk
 * @typedef {{ tokens: number, firstTokenMs: number | null, tokensPerSecond: number | null, promptTokens: number | null, cachedTokens: number | null }} Stats
 * @typedef {{ text: string, ending: "stop" | "length" | "stopped" | "failed", usage?: import("./tabmind.js").Usage, error?: unknown }} Outcome
 */

export class Generation {
  #controller = new AbortController();
  #text = "";
  #startedAt = performance.now();
  #firstTokenAt = 0;
  #frame = 0;
  /** @type {import("./tabmind.js").Usage | undefined} */
  #usage;
  /** @type {Stats} */
  #stats = { tokens: 0, firstTokenMs: null, tokensPerSecond: null, promptTokens: null, cachedTokens: null };
  #onUpdate;

  /** @param {(text: string, stats: Stats) => void} onUpdate */
  constructor(onUpdate) {
    this.#onUpdate = onUpdate;
  }

  stop() {
    this.#controller.abort();
  }

  /**
   * Reads the stream to its end. It never rejects: a failure is an outcome, beside the text that came before it.
   * @param {(signal: AbortSignal) => Promise<AsyncIterable<Chunk>>} start
   * @returns {Promise<Outcome>}
   */
  async run(start) {
    /** @type {Outcome["ending"]} */
    let ending = "stop";
    /** @type {unknown} */
    let error;
    this.#publish();
    try {
      for await (const chunk of await start(this.#controller.signal)) {
        if (this.#take(chunk) === "length") ending = "length";
      }
    } catch (caught) {
      // After a stop every ending is the one that was asked for, also "closed" when the model was changed in mid-sentence.
      ending = this.#controller.signal.aborted ? "stopped" : "failed";
      error = caught;
    }
    cancelAnimationFrame(this.#frame);
    this.#publish();
    const said = { text: this.#text, ending, ...(this.#usage && { usage: this.#usage }) };
    return ending === "failed" ? { ...said, error } : said;
  }

  /**
   * @param {Chunk} chunk
   * @returns {string | null | undefined} the finish reason, where the chunk has one
   */
  #take(chunk) {
    const choice = chunk.choices[0];
    const piece = choice ? ("delta" in choice ? choice.delta.content : choice.text) : "";
    if (piece) {
      const now = performance.now();
      this.#text += piece;
      // A chunk is nearly always one token; what the engine counted replaces this estimate at the end.
      this.#stats.tokens += 1;
      if (this.#stats.firstTokenMs === null) {
        this.#firstTokenAt = now;
        this.#stats.firstTokenMs = now - this.#startedAt;
      } else {
        this.#stats.tokensPerSecond = ((this.#stats.tokens - 1) / (now - this.#firstTokenAt)) * 1000;
      }
      // At most one redraw per frame, however fast the tokens come.
      this.#frame ||= requestAnimationFrame(() => {
        this.#frame = 0;
        this.#publish();
      });
    }
    if (chunk.usage) {
      this.#usage = chunk.usage;
      this.#stats.tokens = chunk.usage.completion_tokens;
      this.#stats.promptTokens = chunk.usage.prompt_tokens;
      this.#stats.cachedTokens = chunk.usage.prompt_tokens_details?.cached_tokens ?? null;
    }
    if (chunk.timings && chunk.timings.completion_tokens > 1) this.#stats.tokensPerSecond = chunk.timings.decode_per_second;
    return choice?.finish_reason;
  }

  #publish() {
    this.#onUpdate(this.#text, { ...this.#stats });
  }
}

/**
 * @param {Stats} stats
 * @returns {string}
 */
export function describeStats(stats) {
  if (stats.firstTokenMs === null) return "Reading the prompt";
  const parts = [`first token ${format.duration(stats.firstTokenMs)}`];
  if (stats.tokensPerSecond !== null) parts.unshift(format.tokenRate(stats.tokensPerSecond));
  parts.push(format.plural(stats.tokens, "token"));
  if (stats.promptTokens !== null) {
    parts.push(`prompt ${format.integer(stats.promptTokens)}${stats.cachedTokens ? `, ${format.integer(stats.cachedTokens)} cached` : ""}`);
  }
  return parts.join(" · ");
}

/**
 * What a reader should know about how a text ended, for everything but a natural end.
 * @param {Outcome["ending"]} ending
 */
export function describeEnding(ending) {
  switch (ending) {
    case "stop":
      return "";
    case "length":
      return "Cut off at the limit of tokens. Raise “Max tokens” for longer answers.";
    case "stopped":
      return "Stopped by you.";
    case "failed":
      return "Ended by an error.";
  }
}
