// A GPU that goes away: the same stream goes on, on the GPU or, where that is allowed, on the CPU.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertError, beforeWorkers, soak, useHarness } from "./harness.mjs";

let isGone = false;
const harness = useHarness({
  handle(_request, response, path) {
    if (path !== "/made/gone.gguf" || !isGone) return false;
    response.writeHead(404).end();
    return true;
  },
});

/** Runs of the self-test, which come first: a GPU that is lost in one cannot be had. */
const testRuns = 14;

/**
 * In a worker: its GPU is lost in these runs of the model, counted from 1, with those in flight and those that bring back
 * what a lost one knew: four, for all tokens but the last, the last, and two ahead. A loss is noticed after two further runs at
 * most. In an odd run it comes before its commands are handed over, in an even one while they are carried out.
 */
const loser = (runs) => `
  const { requestDevice } = GPUAdapter.prototype;
  const { beginComputePass } = GPUCommandEncoder.prototype;
  let device = null;
  let run = -${testRuns};
  GPUAdapter.prototype.requestDevice = async function (...given) {
    return (device = await requestDevice.apply(this, given));
  };
  GPUCommandEncoder.prototype.beginComputePass = function (...given) {
    const now = device;
    run += 1;
    if (${JSON.stringify(runs)}.includes(run)) {
      if (run % 2 === 1) now.destroy();
      else queueMicrotask(() => now.destroy());
    }
    return beginComputePass.apply(this, given);
  };`;

/** Streams an answer from a GPU that is lost in these runs; answers the ids, what the engine counted, an error, and `info` before and after. */
async function stream(t, model, { runs, fallback, request, onLoaded = () => {} }) {
  const page = await harness.page(t);
  await page.exposeFunction("onLoaded", onLoaded);
  await page.evaluate(beforeWorkers, loser(runs));
  return page.evaluate(
    async ([url, options, params]) => {
      const engine = await window.tabmind.load(url, { cache: "none", backend: "webgpu", threads: 1, ...options });
      const loaded = { ...engine.info };
      await window.onLoaded();
      const ids = [];
      let error = null;
      try {
        for await (const { choices } of await engine.completions.create({ ...params, stream: true, return_token_ids: true })) {
          ids.push(...(choices[0]?.token_ids ?? []));
        }
      } catch (thrown) {
        error = { name: thrown.name, code: thrown.code, message: thrown.message, isTabmindError: thrown instanceof window.tabmind.TabmindError };
      }
      const { info } = engine;
      const stats = await engine.stats();
      await engine.close();
      return { ids, stats, error, loaded, info };
    },
    [new URL(model, harness.site.url).href, { fallback }, request],
  );
}

const tiny = () => harness.made("tiny.gguf", writeGguf(tinyModel({})));
// A software adapter takes seconds to compile the kernels, anew after each loss.
const greedy = { prompt: [1, 2, 3], max_tokens: soak ? 200 : 24, ignore_eos: true, temperature: 0 };
const sampled = { ...greedy, temperature: 0.9, seed: 7 };

/** At random, but the same each time: in prompts, between tokens, and while what a lost GPU knew is run again. */
const losses = {
  greedy: { request: greedy, runs: [1, 12, 16, 40, 63, 67, 107, 122, 158, 199] },
  sampled: { request: sampled, runs: [3, 7, 11, 28, 71, 90, 113, 138, 170, 202] },
};

for (const [name, { request, runs: all }] of Object.entries(losses)) {
  const runs = soak ? all : all.slice(0, 2);
  test(`a ${name} stream whose GPU is lost ${runs.length} times is the undisturbed one`, async (t) => {
    const model = tiny();
    const undisturbed = await stream(t, model, { runs: [], fallback: false, request });
    const disturbed = await stream(t, model, { runs, fallback: false, request });
    assert.deepEqual([undisturbed.error, disturbed.error], [null, null]);
    assert.equal(undisturbed.stats.deviceLosses, 0);
    assert.equal(disturbed.stats.deviceLosses, runs.length);
    assert.equal(undisturbed.ids.length, request.max_tokens);
    assert.deepEqual(disturbed.ids, undisturbed.ids);
    assert.ok(disturbed.stats.gpuBytes > 0, "it is still on the GPU");
    assert.deepEqual(disturbed.info, disturbed.loaded);
  });
}

test("a second loss within a minute leaves the rest to the CPU", async (t) => {
  const model = tiny();
  const undisturbed = await stream(t, model, { runs: [], request: greedy });
  const { ids, stats, error, loaded, info } = await stream(t, model, { runs: [5, 20], request: greedy });
  assert.equal(error, null);
  assert.equal(stats.deviceLosses, 2);
  assert.equal(stats.gpuBytes, 0);
  assert.deepEqual(ids, undisturbed.ids);
  assert.equal(loaded.backend, "webgpu");
  const backendReason = "the GPU was lost twice within 60 seconds";
  assert.deepEqual(info, { ...loaded, backend: "cpu", backendReason, adapter: null });
});

test("a model that cannot be read again ends its stream with device_lost", async (t) => {
  isGone = false;
  const model = harness.made("gone.gguf", writeGguf(tinyModel({})));
  const remove = () => {
    isGone = true;
  };
  const { ids, error, info } = await stream(t, model, { runs: [9], request: greedy, onLoaded: remove });
  assertError({ error }, "device_lost", /cannot be read again/u);
  assert.ok(ids.length > 0 && ids.length < 9, `${ids.length} tokens before the loss`);
  assert.equal(info.backend, "webgpu");
});
