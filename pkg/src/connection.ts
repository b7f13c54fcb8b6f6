// The page's end of the line to one worker: requests by id, aborts, and what happens when either side goes.
import { TabmindError, abortError, fromWire } from "./errors.js";
import type { Call, FromWorker, Methods, StartType, ToWorker } from "./protocol.js";
import type { NetworkRequest } from "./types/engine.js";

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
  onEvent: ((json: string) => void) | undefined;
}

/** What a call may bring along. */
export interface CallExtras {
  signals?: AbortSignal[];
  onEvent?: (json: string) => void;
}

/** A worker and the calls that wait for it. Ends once, by `end`; then every call rejects with the reason. */
export class Connection {
  /** Requests that the worker reported, oldest first. */
  readonly requests: NetworkRequest[] = [];
  /** Told what the model is, when that has changed. */
  onInfo: ((json: string) => void) | undefined;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #onProgress: (json: string) => void;
  #lastId = 0;
  #ended: TabmindError | undefined;

  constructor(worker: Worker, onProgress: (json: string) => void) {
    this.#worker = worker;
    this.#onProgress = onProgress;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    // No `onmessageerror`: Chromium's Worker does not have it.
    worker.addEventListener("messageerror", () => {
      this.end(new TabmindError("worker_died", "a message from the worker could not be read"));
    });
    worker.onerror = (event) => {
      event.preventDefault();
      this.end(new TabmindError("worker_died", describe(event), { cause: event.error, hint: startHint }));
    };
  }

  /**
   * Loads the model, reads its header, or asks the cache; the answer is JSON. An abort leaves the worker as it
   * is: the caller ends it.
   */
  start(message: Omit<ToWorker & { type: StartType }, "id">, signals: AbortSignal[]): Promise<string> {
    return this.#send((id) => ({ ...message, id }), { signals }) as Promise<string>;
  }

  /** Carries out one call in the worker. An abort rejects at once; the worker is told and needs no answer. */
  call<C extends Call>(call: C, extras: CallExtras = {}): Promise<ReturnType<Methods[C["method"]]>> {
    const send = (id: number): ToWorker => ({ type: "call", id, call, events: extras.onEvent !== undefined });
    return this.#send(send, extras) as Promise<ReturnType<Methods[C["method"]]>>;
  }

  /** Terminates the worker; pending and later calls reject with `reason`. */
  end(reason: TabmindError): void {
    this.#ended = reason;
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
  }

  async #send(message: (id: number) => ToWorker, { signals = [], onEvent }: CallExtras): Promise<unknown> {
    if (this.#ended !== undefined) throw this.#ended;
    if (signals.some((signal) => signal.aborted)) throw abortError();
    const id = ++this.#lastId;
    const abort = (): void => {
      this.#pending.get(id)?.reject(abortError());
      if (this.#pending.delete(id)) this.#post({ type: "abort", id });
    };
    try {
      return await new Promise((resolve, reject) => {
        for (const signal of signals) signal.addEventListener("abort", abort);
        this.#pending.set(id, { resolve, reject, onEvent });
        this.#post(message(id));
      });
    } finally {
      // A signal may outlive many calls; it must not hold on to them.
      for (const signal of signals) signal.removeEventListener("abort", abort);
    }
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "progress":
        return this.#onProgress(message.json);
      case "event":
        return this.#pending.get(message.id)?.onEvent?.(message.json);
      case "result":
        return this.#settle(message.id)?.resolve(message.value);
      case "error":
        return this.#settle(message.id)?.reject(fromWire(message.error));
      case "requests":
        this.requests.push(...message.records);
        return;
      case "info":
        return this.onInfo?.(message.json);
      case "died":
        return this.end(fromWire(message.error) as TabmindError);
    }
  }

  /** The call that waited under `id`; none if it was aborted meanwhile. */
  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}

const startHint =
  "If this happens at once, check that the package's scripts are served as JavaScript where `assets` says, and that the page's CSP (worker-src, script-src) allows them.";

/** A script that cannot be fetched gives an event without a message. */
function describe(event: ErrorEvent): string {
  return event.message ? `the worker failed: ${event.message}` : "the worker's script could not be loaded";
}
