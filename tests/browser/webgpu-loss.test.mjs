// A GPU that goes away: the same stream goes on, on the GPU or, where that is allowed, on the CPU.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertError, beforeWorkers, useHarness } from "./harness.mjs";

let isGone = false;
const harness = useHarness({
  handle(_request, response, path) {
    if (path !== "/made/gone.gguf" || !isGone) return false;
    response.writeHead(404).end();
    return true;
  },
});

/** The page tells the worker when to destroy its device. */
const destroyer = `
  const original = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...given) {
    const device = await original.apply(this, given);
    new BroadcastChannel("lose").onmessage = () => device.destroy();
    return device;
  };`;

/** Streams an answer, loses the GPU behind each of these pieces; answers the ids and what the engine counted. */
const stream = (page, url, options, params, losses) =>
  page.evaluate(
    async ([path, loading, request, points]) => {
      const engine = await window.tabmind.load(path, { cache: "none", backend: "webgpu", threads: 1, ...loading });
      const ids = [];
      let pieces = 0;
      const channel = new BroadcastChannel("lose");
      for await (const { choices } of await engine.completions.create({ ...request, stream: true, return_token_ids: true })) {
        ids.push(...(choices[0]?.token_ids ?? []));
        pieces += 1;
        if (points.includes(pieces)) channel.postMessage("now");
      }
      const stats = await engine.stats();
      await engine.close();
      return { ids, stats };
    },
    [new URL(url, harness.site.url).href, options, params, losses],
  );

/**
 * Twenty losses; random, but the same in every run, and so early that the worker, which is ahead of the page, is still
 * writing.
 */
const points = [[2, 40], [1, 17], [5, 6], [11, 62], [29, 30], [3, 55], [8, 9], [20, 48], [7, 37], [13, 41]];
const params = { prompt: [1, 2, 3], max_tokens: 200, ignore_eos: true };

points.forEach((losses, index) => {
  const request = index % 2 === 0 ? { ...params, temperature: 0 } : { ...params, temperature: 0.9, seed: index };
  test(`a stream whose GPU is lost behind pieces ${losses} is the undisturbed one, ${index % 2 === 0 ? "greedy" : "sampled"}`, async (t) => {
    const model = harness.made("tiny.gguf", writeGguf(tinyModel({})));
    const page = await harness.page(t);
    await page.evaluate(beforeWorkers, destroyer);
    const undisturbed = await stream(page, model, { fallback: false }, request, []);
    const disturbed = await stream(page, model, { fallback: false }, request, losses);
    assert.equal(undisturbed.stats.deviceLosses, 0);
    assert.equal(disturbed.stats.deviceLosses, losses.length);
    assert.equal(undisturbed.ids.length, params.max_tokens);
    assert.deepEqual(disturbed.ids, undisturbed.ids);
    assert.ok(disturbed.stats.gpuBytes > 0, "it is still on the GPU");
  });
});

test("a second loss within a minute leaves the rest to the CPU", async (t) => {
  const model = harness.made("tiny.gguf", writeGguf(tinyModel({})));
  const page = await harness.page(t);
  await page.evaluate(beforeWorkers, destroyer);
  const { ids, stats } = await stream(page, model, {}, { ...params, temperature: 0 }, [3, 20]);
  assert.equal(stats.deviceLosses, 2);
  assert.equal(stats.gpuBytes, 0);
  assert.equal(ids.length, params.max_tokens);
});

test("a model that cannot be read again ends its stream with device_lost", async (t) => {
  const model = harness.made("gone.gguf", writeGguf(tinyModel({})));
  isGone = false;
  const page = await harness.page(t);
  await page.evaluate(beforeWorkers, destroyer);
  await page.exposeFunction("remove", () => {
    isGone = true;
  });
  const error = await page.evaluate(async (url) => {
    const engine = await window.tabmind.load(url, { cache: "none", backend: "webgpu", threads: 1 });
    await window.remove();
    let pieces = 0;
    try {
      for await (const _ of await engine.completions.create({ prompt: [1, 2, 3], max_tokens: 60, temperature: 0, ignore_eos: true, stream: true })) {
        pieces += 1;
        if (pieces === 3) new BroadcastChannel("lose").postMessage("now");
      }
      return null;
    } catch (thrown) {
      return { name: thrown.name, code: thrown.code, message: thrown.message, isTabmindError: thrown instanceof window.tabmind.TabmindError };
    }
  }, new URL(model, harness.site.url).href);
  assertError({ error }, "device_lost", /cannot be read again/u);
});
