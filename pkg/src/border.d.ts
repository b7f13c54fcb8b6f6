// The wasm façade (src/wasm.rs) as the worker uses it; wasm-bindgen writes tabmind-NAME.js. Stated here by hand, so that
// the TypeScript is checked against the agreed border and not against whatever was built last; a test compares the two.
/** The module, to be compiled, or as compiled with its memory; memory is exported only if it is shared. */
export interface InitOptions {
  module_or_path: Response | WebAssembly.Module;
  memory?: WebAssembly.Memory;
}

export default function init(options: InitOptions): Promise<{ memory: WebAssembly.Memory }>;

/** Makes the calling worker one of the engine's threads, for good. */
export function serveAsThread(): void;

export function cache(questionJson: string, signal: AbortSignal): Promise<string>;

export class WasmModel {
  private constructor();
  static load(
    parts: (string | Blob)[],
    optionsJson: string,
    onProgress: (json: string) => void,
    signal: AbortSignal,
  ): Promise<WasmModel>;
  static estimate(parts: (string | Blob)[], optionsJson: string, signal: AbortSignal): Promise<string>;
  info(): string;
  generate(requestJson: string, onEvent: (json: string) => void, signal: AbortSignal): Promise<string>;
  embed(paramsJson: string, signal: AbortSignal): Promise<string>;
  tokenize(text: string, optionsJson: string): Uint32Array;
  tokenizeWithOffsets(text: string, optionsJson: string): Uint32Array;
  detokenize(ids: Uint32Array): string;
  countTokens(inputJson: string, optionsJson: string): number;
  score(inputJson: string, signal: AbortSignal): Promise<string>;
  applyChatTemplate(messagesJson: string, optionsJson: string): string;
  stats(): string;
  networkRequests(): string;
}
