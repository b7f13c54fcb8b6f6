// The wasm façade (src/wasm.rs) as the worker uses it; wasm-bindgen writes tabmind.js. Stated here by hand, so that
// the TypeScript is checked against the agreed border and not against whatever was built last; a test compares the two.
export default function init(options: { module_or_path: Response }): Promise<unknown>;

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
  tokenize(text: string, optionsJson: string): Uint32Array;
  detokenize(ids: Uint32Array): string;
  countTokens(inputJson: string, optionsJson: string): number;
  score(inputJson: string, signal: AbortSignal): Promise<string>;
  applyChatTemplate(messagesJson: string, optionsJson: string): string;
  stats(): string;
  networkRequests(): string;
}
