import type {
  CallOptions,
  ChatChunk,
  ChatCompletion,
  ChatMessage,
  ChatParams,
  Completion,
  CompletionChunk,
  CompletionParams,
  EmbeddingParams,
  EmbeddingResponse,
  Tool,
} from "./chat.js";
import type { EngineStats } from "./stats.js";

export type { EngineStats };

/**
 * Where a model comes from: a URL (relative ones are resolved against the page), `"hf:owner/repo/file.gguf"`,
 * `"embedded:name"` (a model that ships with the package's assets), a file, or bytes; an array is a model that was
 * split with gguf-split, in order, or the files of a directory with safetensors (`config.json`, `tokenizer.json`,
 * `tokenizer_config.json`, every `.safetensors`), in any order.
 *
 * Bytes are copied, in pieces, so the caller's buffer stays usable; it must not change until `load` settles. For
 * large models pass a `File` or `Blob`, which is not copied.
 */
export type ModelSource = ModelPart | ModelPart[];

/** One file of a model. */
export type ModelPart = string | URL | Blob | ArrayBuffer | Uint8Array;

/** Options of `load`. */
export interface LoadOptions {
  /**
   * `"auto"` (default) takes the engine that a short measurement, remembered in this browser, says is faster for this model,
   * WebGPU when in doubt, and the CPU where the adapter is software or computes wrongly; `info.backendReason` says which it was.
   * `"webgpu"` asks for the GPU, and fails with `webgpu_unavailable` where the browser has none. Where it computes wrongly the CPU
   * takes its place, or with `fallback: false` the call fails with `self_test_failed`.
   */
  backend?: "auto" | "webgpu" | "cpu";
  /**
   * Whether the CPU goes on where a GPU fails its test or, once lost, cannot be had again, or is lost twice within a minute. Default: true. With
   * false such a call fails with `device_lost`, or what else the GPU fails with, and the next one tries the GPU again.
   */
  fallback?: boolean;
  /** Which wasm build of the CPU engine runs; for tests and measurements. `"auto"` (default) takes what the browser can do. */
  build?: "auto" | "simd" | "relaxed";
  /** Tokens of KV cache; default: the model's, at most 4096, and as many as fit into memory. */
  contextLength?: number;
  /**
   * CPU threads; default: all processors but one, eight at most (both where there are two). Where the page is not
   * cross-origin isolated there is one, whatever is asked for; `info.threads` says how many there are.
   */
  threads?: number;
  /**
   * Tokens that the GPU begins with before the page knows the one before them, 0 to 16; default: 2, in Firefox 8. The text
   * is the same. Where it ends sooner than expected, the GPU has computed so many in vain.
   */
  tokensInFlight?: number;
  /**
   * Keep downloaded models in the origin private file system (default), or not at all. Where the browser has none or
   * no room, the model is loaded all the same, and `info.notes` says why it is not kept.
   */
  cache?: "opfs" | "none";
  /** Where room is short, delete the models that were not used for longest. Default: nothing is ever deleted. */
  evict?: boolean;
  /** A token of the Hugging Face hub, for `hf:` models that need one. It is sent nowhere else. */
  token?: string;
  /** The hub's URL, for a mirror of it. */
  hub?: string;
  /** Brings weights that the files hold as F32, F16 or BF16 into this format while they load. */
  quantize?: "q8_0" | "q4_0";
  /**
   * The file's SHA-256 in hexadecimal; `load` rejects other bytes with `hash_mismatch`. The file is hashed while it
   * arrives, all of it; from the cache it is taken without a single request. For models in one file.
   */
  sha256?: string;
  /** Cut the worker off from the network once loaded: `engine.seal()` before anybody has the engine. */
  seal?: boolean;
  /** Called at least every 250 ms while bytes move. */
  onProgress?: (progress: Progress) => void;
  /**
   * Aborts the load; it rejects with an `AbortError`. What has arrived by then stays in the cache, and the next load
   * goes on from there.
   */
  signal?: AbortSignal;
  /**
   * Where the package's files `worker-NAME.js` and `tabmind-NAME_bg.wasm` (and `models/*.gguf` for `embedded:`) are: a
   * base URL, or a function from the file's name to its URL. Default: beside this module. The worker imports
   * `./tabmind-NAME.js`, `./worker.js`, `./threads.js` and `./seal.js` from beside itself.
   */
  assets?: string | URL | ((file: string) => string | URL);
}

/** How far a load has come, in bytes of the current phase. */
export interface Progress {
  phase: "download" | "cache" | "verify" | "compile" | "ready";
  loaded: number;
  total: number;
}

/** What loading a model would take. */
export interface Estimate {
  /** Whether it can be loaded here. */
  fits: boolean;
  /** Why not. */
  reason?: string;
  /** Bytes that `load` would fetch: the file or files, less what the cache has of them. None for a `File` or bytes. */
  downloadBytes: number;
  /** Memory once loaded, by what it is for; the cache is that of a full context. */
  memoryBytes: { weights: number; kvCache: number; scratch: number };
  /** Tokens of context that `load` would take. */
  contextLength: number;
  backend: "webgpu" | "cpu";
  /** Whether the bytes are already in this browser. */
  cached: boolean;
  /** Tokens per second to expect with little in the context, measured for a second at most; absent where the model does not fit or the GPU was asked for. */
  expectedTokensPerSecond?: number;
}

/** What was loaded, and what runs it. */
export interface EngineInfo {
  architecture: string;
  name: string;
  quantization: string;
  parameters: number;
  /** Tokens that prompt and answer can have together. */
  contextLength: number;
  /** Tokens that the model was trained for. */
  trainedContextLength: number;
  vocabSize: number;
  /** What runs the model. Where the CPU takes the place of a lost GPU, this, the next two and `threads` tell so once that call is over. */
  backend: "webgpu" | "cpu";
  /** Why this backend was taken. */
  backendReason: string;
  /** The GPU's name, or null on the CPU. */
  adapter: string | null;
  threads: number;
  build: string;
  license: string | null;
  sizeBytes: number;
  /** The file's SHA-256, if it is known: the `sha256` option asked for it, or the file is in the cache. Else null. */
  sha256: string | null;
  /** Whether all of it came from the cache. */
  cached: boolean;
  /**
   * Whether the worker is cut off from the network. `"scope"`: every function and class of the browser that asks a
   * network is gone from the worker; `import()`, which is syntax, could still fetch a script. `"csp"`: the host serves
   * the worker with a Content-Security-Policy, which restricts that too, to scripts of the hosts that it names.
   */
  sealed: "csp" | "scope" | false;
  /** What you should know of, in sentences: why the model is not kept for next time, or that it has changed. */
  notes: string[];
  hasChatTemplate: boolean;
}

/** A request that the package made: the model's, and those for its own worker and wasm. */
export interface NetworkRequest {
  url: string;
  /** Bytes of the body that arrived; 0 where the browser does not tell (a cross-origin script). */
  bytes: number;
  /** When it started, in milliseconds since 1970. */
  at: number;
}

/** Chat in OpenAI's shape. */
export interface ChatCompletions {
  /** Resolves to the whole answer. */
  create(params: ChatParams & { stream?: false }, options?: CallOptions): Promise<ChatCompletion>;
  /** Resolves when the answer begins; leaving the stream ends it. */
  create(params: ChatParams & { stream: true }, options?: CallOptions): Promise<AsyncIterable<ChatChunk>>;
  /** As `stream` says. */
  create(params: ChatParams, options?: CallOptions): Promise<ChatCompletion | AsyncIterable<ChatChunk>>;
}

/** A function that `runTools` carries out. */
export interface RunnableTool {
  /** What it does, for the model. */
  description?: string;
  /** JSON Schema of the arguments, an object; a tool without one takes none. */
  schema?: Record<string, unknown>;
  /**
   * Does it. What it returns goes to the model: text as it is, anything else as JSON; so does the message of what it
   * throws. The arguments keep to the schema.
   */
  run(args: never, call: { id: string; signal: AbortSignal }): unknown;
}

/** Parameters of `runTools`: those of a chat, with tools that can be run. */
export interface RunToolsParams extends Omit<ChatParams, "tools" | "stream" | "stream_options" | "n"> {
  n?: 1;
  tools: Record<string, RunnableTool>;
  /** How often the model is asked at most; default 8. */
  maxSteps?: number;
  /** Called after each answer of the model. */
  onStep?: (completion: ChatCompletion, step: number) => void;
}

/** What came of it. */
export interface RunToolsResult {
  /** The last answer's text. */
  text: string;
  /** The last answer; its `finish_reason` is `"tool_calls"` if `maxSteps` cut the conversation off. */
  completion: ChatCompletion;
  /** What was said after the messages that were given: answers and what the tools told. */
  messages: ChatMessage[];
  /** How often the model was asked. */
  steps: number;
}

/** Plain completion in OpenAI's legacy shape. */
export interface Completions {
  /** Resolves to the whole text. */
  create(params: CompletionParams & { stream?: false }, options?: CallOptions): Promise<Completion>;
  /** Resolves when the text begins; leaving the stream ends it. */
  create(params: CompletionParams & { stream: true }, options?: CallOptions): Promise<AsyncIterable<CompletionChunk>>;
  /** As `stream` says. */
  create(params: CompletionParams, options?: CallOptions): Promise<Completion | AsyncIterable<CompletionChunk>>;
}

/** What `applyChatTemplate` passes to the template besides the messages. */
export interface TemplateOptions {
  tools?: Tool[];
  documents?: Record<string, unknown>[];
  enableThinking?: boolean;
  /** Whether the prompt ends where the assistant's turn begins; default true. */
  addGenerationPrompt?: boolean;
}

/** Vectors in OpenAI's shape: of BERT-like encoders, and of decoders after the final norm, pooled as the file says, or their last token's. */
export interface Embeddings {
  /** Vectors as OpenAI's client asks for them. */
  create(params: EmbeddingParams & { encoding_format: "base64" }, options?: CallOptions): Promise<EmbeddingResponse<string>>;
  /** Vectors of numbers, one for each text, in order. */
  create(params: EmbeddingParams & { encoding_format?: "float" }, options?: CallOptions): Promise<EmbeddingResponse>;
}

/** How a text is read. */
export interface TokenizeOptions {
  /** Put the BOS and EOS tokens around it, as the model wants them. */
  addSpecial?: boolean;
  /** Read markers such as `<|im_end|>` in it as the tokens that they name. */
  parseSpecial?: boolean;
}

/** Tokens of a text. */
export interface Tokens {
  ids: number[];
  /**
   * Of each token `[start, end]`: `text.slice(start, end)` is what it stands for. Tokens that share a character have both
   * all of it; those that are not in the text (BOS, EOS) are empty.
   */
  offsets: [number, number][];
}

/** What a model thinks of a text. The first token, which nothing precedes, is in neither list. */
export interface Score {
  ids: number[];
  /** Natural logarithm of each token's probability, given those before it. */
  logprobs: number[];
  /** `exp(-mean(logprobs))` */
  perplexity: number;
}

/** A loaded model. Calls may overlap: they are queued. */
export interface Engine {
  readonly info: EngineInfo;
  readonly chat: { readonly completions: ChatCompletions };
  readonly completions: Completions;
  readonly embeddings: Embeddings;
  /** Chats until the model calls no more tools, and carries out what it calls. */
  runTools(params: RunToolsParams, options?: CallOptions): Promise<RunToolsResult>;
  /** Token ids of `text`; by default without BOS/EOS, and with markers such as `</s>` taken as plain text. */
  tokenize(text: string, options?: TokenizeOptions & { offsets?: false }): Promise<number[]>;
  /** The same, and where in `text` each token is. */
  tokenize(text: string, options: TokenizeOptions & { offsets: true }): Promise<Tokens>;
  /** The text of token ids. */
  detokenize(ids: ArrayLike<number>): Promise<string>;
  /** Tokens of a text, or of a conversation after the chat template, with the tools that it describes. */
  countTokens(input: string | ChatMessage[], options?: { tools?: Tool[] }): Promise<number>;
  /** How likely the model finds `input` (text or token ids), token by token. Waits for the calls made before it. */
  score(input: string | number[], options?: CallOptions): Promise<Score>;
  /** The prompt that the model's chat template makes of a conversation. */
  applyChatTemplate(messages: ChatMessage[], options?: TemplateOptions): Promise<string>;
  /** What the engine counts, as of now. */
  stats(): Promise<EngineStats>;
  /**
   * Takes every way into the network away from the engine's worker, for good; `info.sealed` says what that is worth.
   * What the model writes needs none.
   */
  seal(): Promise<void>;
  /** Every request that was made for this engine, oldest first. */
  networkRequests(): NetworkRequest[];
  /** Stops everything and frees GPU and wasm memory. Pending and later calls reject with `closed`. Idempotent. */
  close(): Promise<void>;
}
