// From pushed events to an AsyncIterable with one reader.
import { TabmindError } from "./errors.js";

/** Chunks that are pushed by one side and iterated, once, by the other. It holds nothing after its end. */
export class ChunkStream<T> implements AsyncIterable<T> {
  #queue: T[] = [];
  #end: { error?: Error } | undefined;
  #wake: (() => void) | undefined;
  #taken = false;
  readonly #leave: () => void;

  /** `leave` is called when the reader goes before the end: nobody wants the rest. */
  constructor(leave: () => void) {
    this.#leave = leave;
  }

  push(chunks: T[]): void {
    this.#queue.push(...chunks);
    this.#wake?.();
  }

  /** Nothing follows; with an error, reading ends in it. Only the first call counts. */
  end(error?: Error): void {
    if (this.#end !== undefined) return;
    this.#end = error === undefined ? {} : { error };
    // Who aborts wants no more; whoever meets another error gets what was written before it.
    if (error?.name === "AbortError") this.#queue = [];
    this.#wake?.();
  }

  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    if (this.#taken) throw new TabmindError("invalid_request", "this stream is already being read; a stream has one reader");
    this.#taken = true;
    return this.#read();
  }

  async *#read(): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        const chunk = this.#queue.shift();
        if (chunk !== undefined) yield chunk;
        else if (this.#end !== undefined) break;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      if (this.#end === undefined) this.#leave();
    }
    if (this.#end.error !== undefined) throw this.#end.error;
  }
}
