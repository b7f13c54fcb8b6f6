// Which engine runs a model, and what becomes of a GPU whose kernels compute wrongly.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertError, beforeWorkers, useHarness } from "./harness.mjs";

const harness = useHarness();
const tiny = () => new URL(harness.made("trial.gguf", writeGguf(tinyModel({}))), harness.site.url).href;

/** In a worker: the software adapter says that it is none. */
const hardware = `Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", { get: () => false });`;

/** In a worker: the text of every kernel is changed. */
const changed = (from, to) => `
  const { createShaderModule } = GPUDevice.prototype;
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    return createShaderModule.call(this, { ...descriptor, code: descriptor.code.replaceAll(${JSON.stringify(from)}, ${JSON.stringify(to)}) });
  };`;

/** Loads the tiny model and writes a few tokens, as often as there are `options`, in one page. */
async function load(t, { worker = "", options }) {
  const page = await harness.page(t);
  await page.evaluate(beforeWorkers, worker);
  return page.evaluate(
    async ([url, all]) => {
      const loads = [];
      for (const given of all) {
        try {
          const began = performance.now();
          const engine = await window.tabmind.load(url, { threads: 1, ...given });
          const took = performance.now() - began;
          const { choices } = await engine.completions.create({ prompt: [1, 2, 3], max_tokens: 4, temperature: 0, ignore_eos: true, return_token_ids: true });
          loads.push({ info: engine.info, stats: await engine.stats(), ids: choices[0].token_ids, took });
          await engine.close();
        } catch (thrown) {
          const { name, code, message } = thrown;
          loads.push({ error: { name, code, message, isTabmindError: thrown instanceof window.tabmind.TabmindError } });
        }
      }
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("tabmind-models", { create: true });
      const file = await folder.getFileHandle("trials.json").catch(() => null);
      return { loads, notes: file && JSON.parse(await (await file.getFile()).text()) };
    },
    [tiny(), options],
  );
}

/** Changes all that is remembered; answers what it was. */
function changeNotes(page, changes) {
  return page.evaluate(async (given) => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("tabmind-models");
    const file = await folder.getFileHandle("trials.json");
    const notes = JSON.parse(await (await file.getFile()).text());
    const stream = await file.createWritable();
    await stream.write(JSON.stringify({ ...notes, records: notes.records.map((record) => ({ ...record, ...given })) }));
    await stream.close();
    return notes;
  }, changes);
}

test("a software adapter is left alone unless it is asked for", async (t) => {
  const { loads, notes } = await load(t, { options: [{}, { backend: "auto", cache: "none" }] });
  for (const { info, stats } of loads) {
    assert.equal(info.backend, "cpu");
    assert.match(info.backendReason, /is software$/u);
    assert.equal(stats.gpuBytes, 0);
  }
  assert.equal(notes, null, "nothing was tried");
});

test("without WebGPU the CPU runs the model, and says why", async (t) => {
  const { loads } = await load(t, { worker: `Object.defineProperty(navigator, "gpu", { value: undefined });`, options: [{}] });
  assert.equal(loads[0].info.backend, "cpu");
  assert.match(loads[0].info.backendReason, /no WebGPU adapter/u);
});

test("where there is a GPU both engines are measured once, and the faster one runs the model", async (t) => {
  const { loads, notes } = await load(t, { worker: hardware, options: [{}, {}] });
  const [first, second] = loads;
  // A CPU that does as if it were a GPU is slower than a CPU.
  assert.match(first.info.backendReason, /^the CPU suits this model best here: about \d+ tokens a second against \d+$/u);
  assert.equal(first.info.backend, "cpu");
  assert.equal(second.info.backendReason, first.info.backendReason, "it is remembered");
  assert.equal(notes.records.length, 1);
  const [{ fault, speeds }] = notes.records;
  assert.equal(fault, null);
  assert.ok(speeds[0] > speeds[1] && speeds[1] > 0, String(speeds));
  t.diagnostic(`${first.took.toFixed(0)} ms, then ${second.took.toFixed(0)} ms; ${speeds.map((speed) => speed.toFixed(0)).join(" and ")} tokens a second`);
});

/** In a worker: every 100 ms it is looked whether the GPU is done, as in Firefox. */
const late = `
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = async function (...given) {
    await mapAsync.apply(this, given);
    await new Promise((resolve) => setTimeout(resolve, 100 - (performance.now() % 100)));
  };`;

test("a GPU that tells its results late is measured with the tokens in flight that it will have", async (t) => {
  const { notes } = await load(t, { worker: hardware + late, options: [{ tokensInFlight: 0 }, { tokensInFlight: 8 }] });
  assert.equal(notes.records.length, 2, "the one is not taken for the other");
  const [alone, ahead] = notes.records.map(({ speeds }) => speeds[1]);
  assert.ok(alone < 11, `${alone} tokens a second, one for each look`);
  assert.ok(ahead > 4 * alone, `${ahead} tokens a second, and alone ${alone}`);
});

test("an abort is heard while it is measured", async (t) => {
  const page = await harness.page(t);
  // The first turn that the worker leaves to others, it is told of an abort.
  await page.evaluate(
    beforeWorkers,
    `const Channel = MessageChannel;
    self.MessageChannel = class extends Channel {
      constructor() {
        super();
        setTimeout(() => self.dispatchEvent(new MessageEvent("message", { data: { type: "abort", id: 1 } })));
      }
    };`,
  );
  const outcomes = await page.evaluate(async (url) => {
    const outcome = (backend) => window.tabmind.estimate(url, { backend, threads: 1 }).then(
      () => "an answer",
      ({ name }) => name,
    );
    return [await outcome("webgpu"), await outcome("cpu")];
  }, tiny());
  assert.deepEqual(outcomes, ["an answer", "AbortError"], "for the GPU nothing is measured, so nothing left to others");
});

test("nothing is remembered where nothing is to be kept", async (t) => {
  const { loads, notes } = await load(t, { worker: hardware, options: [{ cache: "none" }] });
  assert.match(loads[0].info.backendReason, /suits this model best here/u);
  assert.equal(notes, null);
});

test("estimate tells the speed of the engine that would be chosen", async (t) => {
  const page = await harness.page(t);
  await page.evaluate(beforeWorkers, hardware);
  const estimate = await page.evaluate((url) => window.tabmind.estimate(url), tiny());
  assert.equal(estimate.backend, "cpu");
  assert.ok(estimate.expectedTokensPerSecond > 0);
});

/** In a worker: the driver's compiler fails at every kernel, of which WebGPU tells as of its own, internal, fault. */
const failing = `
  const { createComputePipeline } = GPUDevice.prototype;
  GPUDevice.prototype.createComputePipeline = function (descriptor) {
    this.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error: new GPUInternalError("the compiler failed") }));
    return createComputePipeline.call(this, descriptor);
  };`;

const faults = {
  "whose kernels compute nonsense": { worker: changed("inverseSqrt(", "sqrt("), said: /logits of \d+ tokens at position \d+ are off by [\d.]+ of their length/u },
  "that chooses another token than the likeliest": { worker: changed("other_value > values[lane]", "other_value < values[lane]"), said: /Some\(\d+\) was chosen, not \d+, by Likeliest/u },
  "that draws another token": { worker: changed("left -=", "left +="), said: /was chosen, not \d+, by Drawn/u },
  "whose driver refuses a kernel": { worker: changed("fn main(", "fn main(;"), said: /refuses a kernel/u },
  "whose driver fails at a kernel": { worker: failing, said: /refuses a kernel: .*the compiler failed/su },
};

for (const [what, { worker, said }] of Object.entries(faults)) {
  test(`a GPU ${what} leaves the model to the CPU, or the load fails`, async (t) => {
    const gpu = { backend: "webgpu", cache: "none" };
    const { loads } = await load(t, { worker, options: [gpu, { ...gpu, fallback: false }, { backend: "cpu", cache: "none" }] });
    const [fallen, refused, cpu] = loads;
    assert.equal(fallen.info.backend, "cpu");
    assert.match(fallen.info.backendReason, /^WebGPU computes wrongly here/u);
    assert.match(fallen.info.backendReason, said);
    assert.deepEqual(fallen.ids, cpu.ids);
    assertError(refused, "self_test_failed", said);
  });
}

test("a variant that the GPU does not offer is not used, though it was remembered", async (t) => {
  const page = await harness.page(t);
  const write = () =>
    page.evaluate(async (url) => {
      const engine = await window.tabmind.load(url, { threads: 1, backend: "webgpu" });
      const { choices } = await engine.completions.create({ prompt: [1, 2, 3], max_tokens: 4, temperature: 0, return_token_ids: true });
      await engine.close();
      return choices[0].token_ids;
    }, tiny());
  const ids = await write();
  // As if another GPU of this name, with subgroups of 64, had been tried.
  const { records: tried } = await changeNotes(page, { tuning: [4, false, 0, 64] });
  assert.deepEqual(await write(), ids);
  const { records } = await changeNotes(page, {});
  assert.deepEqual(records, tried, "it was tried anew");
});

/** In a worker: the last buffer of a load, of a single token's keys, is found to have no memory, when it is long made. */
const full = `
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const error = new GPUOutOfMemoryError("no memory is left");
    if (descriptor.label === "keys and values" && descriptor.size <= 1024) {
      setTimeout(() => this.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error })));
    }
    return createBuffer.call(this, descriptor);
  };`;

test("memory that the GPU turns out not to have fails a load, or leaves the model to the CPU where nobody asked for the GPU", async (t) => {
  const page = await harness.page(t);
  await page.evaluate(beforeWorkers, hardware + full);
  await page.evaluate(async (url) => (await window.tabmind.load(url, { threads: 1 })).close(), tiny());
  await changeNotes(page, { speeds: [1, 1000] });
  const { refused, fallen, text } = await page.evaluate(async (url) => {
    const engine = await window.tabmind.load(url, { threads: 1 });
    const { choices } = await engine.completions.create({ prompt: [1, 2, 3], max_tokens: 4, temperature: 0 });
    const outcome = await window.outcome(() => window.tabmind.load(url, { threads: 1, backend: "webgpu" }));
    return { refused: outcome, fallen: engine.info, text: choices[0].text };
  }, tiny());
  assert.equal(fallen.backend, "cpu");
  assert.match(fallen.backendReason, /^the GPU failed: the GPU has no memory left/u);
  assert.equal(typeof text, "string");
  assertError(refused, "out_of_memory", /no memory left/u);
});

test("what is known of a GPU that computes wrongly is not found out again", async (t) => {
  const { worker, said } = faults["whose kernels compute nonsense"];
  const { loads, notes } = await load(t, { worker, options: [{ backend: "webgpu" }, { backend: "webgpu" }] });
  for (const { info } of loads) {
    assert.equal(info.backend, "cpu");
    assert.match(info.backendReason, said);
  }
  assert.equal(notes.records.length, 1);
  assert.match(notes.records[0].fault, said);
});
