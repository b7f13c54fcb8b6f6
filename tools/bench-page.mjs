// Runs in the page: one engine behind one small interface, timed the same way. tools/bench.mjs says what to run.

/** tabmind, as a page would use it. */
const tabmind = {
  async open(model, { backend, threads, build, contextLength }) {
    const { load } = await import("/pkg/index.js");
    const options = { backend, threads, build, contextLength, cache: "none" };
    const engine = await load(model, Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)));
    return {
      threads: engine.info.threads,
      backend: engine.info.backend,
      build: engine.info.build,
      close: () => engine.close(),
      countTokens: async (text) => (await engine.tokenize(text, { addSpecial: true })).length,
      async generate(prompt, nTokens) {
        const answer = await engine.completions.create({
          prompt,
          max_tokens: nTokens,
          temperature: 0,
          ignore_eos: true,
        });
        return {
          promptTokens: answer.usage.prompt_tokens,
          promptMs: answer.timings.prompt_ms,
          tokens: answer.timings.completion_tokens,
          decodeMs: answer.timings.decode_ms,
          cachedTokens: answer.usage.prompt_tokens_details.cached_tokens,
          text: answer.choices[0].text,
        };
      },
    };
  },
};

/** wllama: llama.cpp's server in a worker. The single-thread build is what `n_threads: 1` selects. */
const wllama = {
  async open(model, { backend, threads, contextLength }) {
    const { Wllama } = await import("/wllama/index.js");
    const silent = { debug() {}, log() {}, warn() {}, error: (...parts) => console.error(...parts) };
    const engine = new Wllama({ default: new URL("/wllama/wasm/wllama.wasm", location.href).href }, { logger: silent });
    await engine.loadModel([model], {
      n_ctx: contextLength,
      n_threads: threads,
      n_parallel: 1,
      ...(backend === "webgpu" ? {} : { n_gpu_layers: 0 }),
    });
    return {
      threads: engine.isMultithread() ? engine.getNumThreads() : 1,
      backend,
      build: engine.isMultithread() ? "multi-thread" : "single-thread",
      close: () => engine.exit(),
      async generate(prompt, nTokens) {
        let text = "";
        let timings;
        // A stream, because the answer as a whole fails on half a UTF-8 character, with which random weights end.
        await engine.createCompletion({
          prompt,
          max_tokens: nTokens,
          temperature: 0,
          ignore_eos: true,
          cache_prompt: false,
          stream: true,
          onData(chunk) {
            text += chunk.choices[0]?.text ?? "";
            timings = chunk.timings ?? timings;
          },
        });
        return {
          promptTokens: timings.prompt_n + (timings.cache_n ?? 0),
          promptMs: timings.prompt_ms,
          tokens: timings.predicted_n,
          decodeMs: timings.predicted_ms,
          cachedTokens: timings.cache_n ?? 0,
          text,
        };
      },
    };
  },
};

const engines = { tabmind, wllama };
let engine;

/** Loads the model from memory; `loadMs` runs from its bytes to the first token. */
export async function open(name, modelUrl, options, firstPrompt) {
  const model = await (await fetch(modelUrl)).blob();
  const started = performance.now();
  engine = await engines[name].open(model, options);
  await engine.generate(firstPrompt, 1);
  const loadMs = performance.now() - started;
  return { loadMs, threads: engine.threads, backend: engine.backend, build: engine.build };
}

/** One completion, with what the clock on the wall says beside what the engine says. */
export async function generate(prompt, nTokens) {
  const started = performance.now();
  const result = await engine.generate(prompt, nTokens);
  return { ...result, wallMs: performance.now() - started };
}

export const close = () => engine.close();

/**
 * Prompts of exactly so many tokens, as texts, because that is all the peer takes. They are one-letter words, of which
 * every vocabulary makes one token each; what stands around a prompt (a BOS token) is found by asking.
 */
export async function makePrompts(modelUrl, options, lengths) {
  const loaded = await tabmind.open(await (await fetch(modelUrl)).blob(), options);
  let state = 1;
  const letter = () => {
    state = (state * 48271) % 2147483647; // Lehmer's generator: the same prompts each time
    return String.fromCodePoint(97 + (state % 26));
  };
  const words = (count, first) => [first, ...Array.from({ length: count - 1 }, () => letter())].join(" ");
  const around = (await loaded.countTokens(words(100, "a"))) - 100;
  const prompts = [];
  for (const [index, length] of lengths.entries()) {
    const prompt = words(length - around, String.fromCodePoint(97 + index)); // different from the first word on
    const count = await loaded.countTokens(prompt);
    if (count !== length) throw new Error(`a prompt of ${length} tokens came out as ${count}`);
    prompts.push(prompt);
  }
  await loaded.close();
  return prompts;
}

/** The best of some passes over 512 MB, in GB/s: what no engine of one thread can surpass. */
export async function streamRate(wasm) {
  const { instance } = await WebAssembly.instantiate(Uint8Array.from(wasm));
  const { memory, read } = instance.exports;
  const bytes = memory.buffer.byteLength;
  new Uint32Array(memory.buffer).fill(1); // untouched pages would all be the same zeros
  let best = Infinity;
  for (let pass = 0; pass < 6; pass += 1) {
    const started = performance.now();
    read(0, bytes);
    best = Math.min(best, performance.now() - started);
  }
  return bytes / best / 1e6;
}
