/*
 * Small models that are worth a try, by their names on the Hugging Face hub. How large they are is asked of the hub, when somebody wants to know.
 *
 * An entry belongs here when its family is one that the engine is tested with. That is not a test of the file: the note above the list says so.
 */
import { byId, el } from "./dom.js";
import * as format from "./format.js";
import { estimate } from "./tabmind.js";

const MODELS = [
  { name: "SmolLM2 135M Instruct", address: "hf:bartowski/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct-Q8_0.gguf" },
  { name: "Gemma 3 270M", address: "hf:ggml-org/gemma-3-270m-it-GGUF/gemma-3-270m-it-Q8_0.gguf" },
  { name: "LFM2 350M", address: "hf:LiquidAI/LFM2-350M-GGUF/LFM2-350M-Q4_K_M.gguf" },
  { name: "Qwen2.5 0.5B Instruct", address: "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf" },
  { name: "Qwen3 0.6B", address: "hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf" },
  { name: "Llama 3.2 1B Instruct", address: "hf:bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf" },
];

/**
 * @param {{ onChoose: (address: string, name: string) => void }} wiring
 */
export function createCurated({ onChoose }) {
  const note = byId("curated-note", HTMLElement);

  /**
   * @param {HTMLElement} size
   * @param {string} name
   * @param {string} address
   */
  async function ask(size, name, address) {
    note.textContent = `Reading the header of ${name}`;
    try {
      const { downloadBytes, memoryBytes, fits, reason, cached, expectedTokensPerSecond } = await estimate(address);
      const memory = memoryBytes.weights + memoryBytes.kvCache + memoryBytes.scratch;
      const speed = expectedTokensPerSecond === undefined ? "" : ` About ${format.tokenRate(expectedTokensPerSecond)} here.`;
      size.textContent = format.bytes(downloadBytes);
      note.textContent = `${name}: ${cached ? "already in this browser" : `${format.bytes(downloadBytes)} to download`}, ${format.bytes(memory)} of memory.${speed} ${fits ? "" : (reason ?? "It does not fit.")}`;
    } catch (error) {
      note.textContent = `${name}: ${error instanceof Error ? error.message : error}`;
    }
  }

  byId("curated-list", HTMLElement).append(
    ...MODELS.map(({ name, address }) => {
      const size = el("span", { class: "model-row-size" });
      const load = el("button", { type: "button", class: "model-row", title: address, onclick: () => onChoose(address, name) }, el("span", { class: "model-row-name" }, name), size);
      return el("li", {}, load, el("button", { type: "button", class: "quiet small", "aria-label": `Ask how large ${name} is`, onclick: () => void ask(size, name, address) }, "Size?"));
    }),
  );
}
