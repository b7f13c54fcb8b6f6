// The WebGPU engine in a browser: golden ids, what it says of itself, and what it keeps in memory.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertError, assets, beforeWorkers, soak, useHarness, withoutAssets } from "./harness.mjs";

const harness = useHarness();

/** Ids that are compared; a software adapter takes its time. */
const compared = soak ? Infinity : 64;

const models = {
  stories260K: { f32: "stories260K", q8_0: "stories260K-q8_0", q4_0: "stories260K-q4_0" },
  "tinystories-656K": Object.fromEntries(
    ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"].map((format) => [format, `tinystories-656K-${format}`]),
  ),
};

for (const [model, variants] of Object.entries(models)) {
  for (const [format, file] of Object.entries(variants)) {
    test(`${file} on WebGPU: greedy ids are the golden ids`, { skip: withoutAssets }, async (t) => {
      const golden = JSON.parse(readFileSync(join(assets, "goldens", "models", `${model}.json`), "utf8")).variants[format];
      const expected = golden.greedy_ids.slice(0, compared);
      const page = await harness.page(t);
      const { ids, info, stats } = await page.evaluate(
        async ({ url, prompt, max_tokens }) => {
          const engine = await window.tabmind.load(url, { cache: "none", backend: "webgpu" });
          const params = { prompt, max_tokens, temperature: 0, ignore_eos: true, return_token_ids: true };
          const { choices } = await engine.completions.create(params);
          const result = { ids: choices[0].token_ids, info: engine.info, stats: await engine.stats() };
          await engine.close();
          return result;
        },
        { url: `/weights/${model}/${file}.gguf`, prompt: golden.prompt_ids, max_tokens: expected.length },
      );
      assert.deepEqual(ids, expected);
      assert.equal(info.backend, "webgpu");
      assert.equal(info.backendReason, "asked for");
      assert.ok(stats.gpuBytes > 0, "weights are in GPU memory");
      assert.equal(stats.gpuObjectsCreated, 0, "a token makes nothing");
      assert.ok(stats.gpuDispatches > 10 && stats.gpuBytesWritten <= 256, JSON.stringify(stats));
      assert.equal(stats.gpuBytesRead, 4, "a greedy token reads its id back");
      t.diagnostic(`${info.adapter}: ${stats.gpuBytes} bytes`);
    });
  }
}

test("log-probabilities on WebGPU are those of the CPU on plain weights", { skip: withoutAssets }, async (t) => {
  const page = await harness.page(t);
  const [cpu, gpu] = await page.evaluate(async (url) => {
    const scores = [];
    for (const backend of ["cpu", "webgpu"]) {
      const engine = await window.tabmind.load(url, { cache: "none", backend });
      scores.push((await engine.score("Once upon a time there was a little girl named Lily.")).logprobs);
      await engine.close();
    }
    return scores;
  }, "/weights/stories260K/stories260K.gguf");
  const largest = Math.max(...cpu.map((logprob, index) => Math.abs(logprob - gpu[index])));
  assert.ok(largest < 2e-3, `log-probabilities differ by ${largest}`);
  assert.ok(cpu.length > 10 && cpu.length === gpu.length);
});

test("a token in the steady state costs six dispatches per layer, and the GPU makes nothing for it", async (t) => {
  const blocks = 3;
  const model = harness.made("steady.gguf", writeGguf(tinyModel({ blocks })));
  const page = await harness.page(t);
  const stats = await page.evaluate(async (url) => {
    const engine = await window.tabmind.load(url, { cache: "none", backend: "webgpu" });
    await engine.completions.create({ prompt: [1, 2, 3], max_tokens: 16, temperature: 0, ignore_eos: true });
    const result = await engine.stats();
    await engine.close();
    return result;
  }, model);
  t.diagnostic(JSON.stringify(stats));
  assert.ok(stats.gpuDispatches > blocks && stats.gpuDispatches <= 6 * blocks + 5, `${stats.gpuDispatches} dispatches`);
  assert.equal(stats.gpuObjectsCreated, 0);
  assert.ok(stats.gpuBytesWritten <= 256, `${stats.gpuBytesWritten} bytes written`);
  assert.equal(stats.gpuReadbacks, 1);
  assert.ok(stats.gpuBytesRead <= 64, `${stats.gpuBytesRead} bytes read back`);
});

test("the same seed draws the same tokens on WebGPU and on the CPU", { skip: withoutAssets }, async (t) => {
  const page = await harness.page(t);
  const filters = [{}, { top_k: 20 }, { top_p: 0.8 }, { min_p: 0.05 }, { top_k: 40, top_p: 0.9, min_p: 0.02, temperature: 1.5 }];
  const [cpu, gpu] = await page.evaluate(
    async ([url, settings]) => {
      const drawn = [];
      for (const backend of ["cpu", "webgpu"]) {
        const engine = await window.tabmind.load(url, { cache: "none", backend });
        const request = { prompt: [1, 403, 407], max_tokens: 24, ignore_eos: true, return_token_ids: true };
        const results = [];
        for (const [seed, setting] of settings.entries()) {
          const { choices } = await engine.completions.create({ ...request, temperature: 1, seed, ...setting });
          results.push({ ids: choices[0].token_ids, bytesRead: (await engine.stats()).gpuBytesRead });
        }
        drawn.push(results);
        await engine.close();
      }
      return drawn;
    },
    ["/weights/stories260K/stories260K.gguf", filters],
  );
  assert.deepEqual(gpu.map(({ ids }) => ids), cpu.map(({ ids }) => ids));
  assert.equal(new Set(cpu.map(({ ids }) => ids.join())).size, filters.length, "each setting draws its own tokens");
  assert.deepEqual(gpu.map(({ bytesRead }) => bytesRead), filters.map(() => 4), "only ids are read back");
});

test("with several tokens in flight the text is the same, whatever ended the one before", async (t) => {
  const model = harness.made("flight.gguf", writeGguf(tinyModel()));
  const page = await harness.page(t);
  const [alone, ahead] = await page.evaluate(async (url) => {
    const answers = [];
    for (const tokensInFlight of [0, 8]) {
      const engine = await window.tabmind.load(url, { cache: "none", backend: "webgpu", tokensInFlight });
      const request = { prompt: [1, 2, 3], max_tokens: 12, ignore_eos: true, return_token_ids: true };
      const found = [];
      for (const more of [{ temperature: 0 }, { seed: 1 }, { seed: 2, top_k: 9 }]) {
        // Aborted with the first token, while others are in flight.
        const controller = new AbortController();
        const stream = await engine.completions.create({ ...request, seed: 3, stream: true }, { signal: controller.signal });
        const reading = (async () => {
          for await (const _ of stream) controller.abort();
        })();
        const end = await reading.then(() => "whole", (error) => error.name);
        const { choices } = await engine.completions.create({ ...request, ...more });
        found.push({ end, ids: choices[0].token_ids });
      }
      const { gpuObjectsCreated, gpuReadbacks, gpuBytesRead } = await engine.stats();
      answers.push({ found, cost: [gpuObjectsCreated, gpuReadbacks, gpuBytesRead] });
      await engine.close();
    }
    return answers;
  }, model);
  assert.deepEqual(ahead, alone);
  assert.deepEqual(ahead.found.map(({ end }) => end), ["AbortError", "AbortError", "AbortError"]);
  assert.deepEqual(ahead.cost, [0, 1, 4]);
});

test("along a text that fills the context the log-probabilities on WebGPU stay with those of the CPU", async (t) => {
  // The soak run's length; a software adapter takes its time.
  const tokens = soak ? 2048 : 256;
  const model = harness.made("long.gguf", writeGguf(tinyModel({ dim: 64, contextLength: tokens })));
  const page = await harness.page(t);
  const [cpu, gpu] = await page.evaluate(
    async ([url, length]) => {
      const ids = Array.from({ length }, (_, index) => (index === 0 ? 1 : 259 + ((index * index * 31 + index * 7) % 38)));
      const scores = [];
      for (const backend of ["cpu", "webgpu"]) {
        const engine = await window.tabmind.load(url, { cache: "none", backend });
        scores.push((await engine.score(ids)).logprobs);
        await engine.close();
      }
      return scores;
    },
    [model, tokens],
  );
  const differences = cpu.map((logprob, index) => Math.abs(logprob - gpu[index]));
  const largest = Math.max(...differences);
  t.diagnostic(`at most ${largest}, at ${differences.indexOf(largest)}; of the last hundred ${Math.max(...differences.slice(-100))}`);
  assert.equal(differences.length, tokens - 1);
  assert.ok(largest < 1e-4, `log-probabilities differ by ${largest}`);
});

test("without WebGPU the error says so, and the CPU works", async (t) => {
  const model = harness.made("tiny.gguf", writeGguf(tinyModel({})));
  const page = await harness.page(t);
  await page.evaluate(beforeWorkers, 'Object.defineProperty(self.navigator, "gpu", { value: undefined });');
  const outcomes = await page.evaluate(async (url) => {
    const load = (backend) =>
      window.tabmind.load(url, { cache: "none", backend }).then(
        (engine) => ({ value: engine.info.backend }),
        (error) => ({ error: { name: error.name, code: error.code, message: error.message, isTabmindError: error instanceof window.tabmind.TabmindError } }),
      );
    return [await load("webgpu"), await load("cpu")];
  }, new URL(model, harness.site.url).href);
  assertError(outcomes[0], "webgpu_unavailable", /adapter/u);
  assert.deepEqual(outcomes[1], { value: "cpu" });
});

test("weights on the GPU do not stay in the wasm heap", async (t) => {
  // 0.5 GB in the soak run, else 115 MB.
  const bytes = writeGguf(tinyModel({ dim: soak ? 1024 : 512, blocks: 12 }));
  const model = harness.made("large.gguf", bytes);
  const empty = harness.made("empty.gguf", writeGguf(tinyModel()));
  const page = await harness.page(t);
  const load = (path) =>
    page.evaluate(async (url) => {
      const engine = await window.tabmind.load(url, { cache: "none", backend: "webgpu", contextLength: 64 });
      const result = await engine.stats();
      await engine.close();
      return result;
    }, path);
  const without = await load(empty);
  const stats = await load(model);
  t.diagnostic(`${bytes.length} bytes of file: heap ${stats.heapBytes}, the empty engine's ${without.heapBytes}, GPU ${stats.gpuBytes}`);
  assert.ok(stats.gpuBytes > bytes.length, "the weights are on the GPU");
  assert.ok(stats.heapBytes - without.heapBytes <= 64 * 2 ** 20, `the heap has ${stats.heapBytes} bytes`);
});
