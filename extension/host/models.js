// The models that are loaded: the one that was chosen, and desk for forms. One of each, for all tabs.
import * as format from "../www/format.js";
import { load } from "../tabmind.js";
import { ExtensionError, describeProblem, isAbort } from "./problem.js";

/**
 * @typedef {import("tabmind").Engine} Engine
 * @typedef {import("../protocol.js").ModelState} ModelState
 * @typedef {{ engine: Promise<Engine>, cancel: AbortController }} Loaded
 */

export const DESK = "embedded:desk";
/** localStorage is the one store that an offscreen document has; in it the choice survives the browser. */
const CHOICE = "tabmind.model";

export class Models {
  /** @type {Loaded | null} */
  #chosen = null;
  /** @type {Loaded | null} */
  #forms = null;
  /** @type {string | File[]} */
  #source;
  #onChange;
  /** @type {ModelState} */
  state;

  /** @param {(state: ModelState) => void} onChange */
  constructor(onChange) {
    this.#source = localStorage.getItem(CHOICE) ?? DESK;
    this.#onChange = onChange;
    this.state = stateOf(this.#source);
  }

  /**
   * Another model from now on; it begins to load. Files are there only for as long as the browser runs.
   * @param {string | File[]} source
   */
  choose(source) {
    this.#drop("chosen");
    this.#source = source;
    if (typeof source === "string") localStorage.setItem(CHOICE, source);
    this.state = stateOf(source);
    // Whoever asks for the engine learns of a failure, and the state tells it to everybody else.
    void this.chosen().catch(() => {});
  }

  cancelLoad() {
    if (this.state.phase !== "loading") return;
    this.#drop("chosen");
    this.#change({ phase: "idle", progress: null });
  }

  /**
   * The chosen model, loaded when it is first needed.
   * @returns {Promise<Engine>}
   */
  chosen() {
    this.#chosen ??= this.#load(this.#source);
    return this.#chosen.engine;
  }

  /** A model that can chat, or an error that says what to do. */
  async general() {
    if (this.state.kind === "general") return this.chosen();
    throw new ExtensionError("needs_general_model", "desk fills forms: it cannot chat, summarise, rewrite or explain.", "Choose a general model for that; it is downloaded once and then works offline too.");
  }

  /**
   * desk, whatever was chosen: 3 megabytes that were trained for forms do them better than a large model that was not.
   * @returns {Promise<Engine>}
   */
  forms() {
    if (this.#source === DESK) return this.chosen();
    if (this.#forms === null) {
      const cancel = new AbortController();
      this.#forms = { cancel, engine: loadFrom(DESK, { signal: cancel.signal }) };
      this.#forms.engine.catch(() => this.#drop("forms"));
    }
    return this.#forms.engine;
  }

  /** After an error that no call survives, the next one loads again. @param {unknown} error */
  forgetIfDead(error) {
    if (!["worker_died", "out_of_memory", "device_lost"].includes(describeProblem(error).code)) return;
    this.#drop("forms");
    this.#drop("chosen");
    this.#change({ phase: "failed", problem: describeProblem(error) });
  }

  /** @param {"chosen" | "forms"} which */
  #drop(which) {
    const loaded = which === "chosen" ? this.#chosen : this.#forms;
    if (which === "chosen") this.#chosen = null;
    else this.#forms = null;
    loaded?.cancel.abort();
    void loaded?.engine.then((engine) => engine.close(), () => {});
  }

  /**
   * @param {string | File[]} source
   * @returns {Loaded}
   */
  #load(source) {
    const cancel = new AbortController();
    const isCurrent = () => this.#chosen?.cancel === cancel;
    this.#change({ phase: "loading", progress: null, problem: null });
    const options = {
      signal: cancel.signal,
      onProgress: (/** @type {import("tabmind").Progress} */ progress) => isCurrent() && this.#change({ progress }),
    };
    const engine = loadFrom(source, options).then(
      (engine) => {
        if (isCurrent()) this.#change({ phase: "ready", progress: null, facts: describe(engine.info) });
        return engine;
      },
      (error) => {
        if (isCurrent() && !isAbort(error)) {
          this.#chosen = null;
          this.#change({ phase: "failed", progress: null, problem: describeProblem(error) });
        }
        throw error;
      },
    );
    return { cancel, engine };
  }

  /** @param {Partial<ModelState>} patch */
  #change(patch) {
    this.state = { ...this.state, ...patch };
    this.#onChange(this.state);
  }
}

/**
 * desk, which comes with the extension, is too small to gain from threads.
 * @param {string | File[]} source
 * @param {import("tabmind").LoadOptions} options
 * @returns {Promise<Engine>}
 */
function loadFrom(source, options) {
  return load(source, source === DESK ? { ...options, backend: "cpu", threads: 1 } : options);
}

/**
 * @param {string | File[]} source
 * @returns {ModelState}
 */
function stateOf(source) {
  const isFile = typeof source !== "string";
  return {
    source: isFile ? null : source,
    label: isFile ? (source[0]?.name ?? "a file") : source === DESK ? "desk" : format.fileName(source),
    kind: source === DESK ? "forms" : "general",
    phase: "idle",
    progress: null,
    problem: null,
    facts: null,
  };
}

/** @param {import("tabmind").EngineInfo} info */
function describe({ parameters, quantization, backend, threads, contextLength, sizeBytes }) {
  const runner = backend === "cpu" ? `CPU, ${format.plural(threads, "thread")}` : "WebGPU";
  return `${format.approximate(parameters)} weights, ${quantization}, ${format.bytes(sizeBytes)} · ${runner} · reads ${format.integer(contextLength)} tokens`;
}
