// Memory of the GPU that is not to be had while a model is at work, and memory that is given back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { beforeWorkers, useHarness } from "./harness.mjs";

const harness = useHarness();
const tiny = () => harness.made("tiny.gguf", writeGguf(tinyModel({ contextLength: 128 })));

/** In a worker: from the page's word on, caches of keys and values find no memory. */
const fillable = `
  const { createBuffer, pushErrorScope, popErrorScope } = GPUDevice.prototype;
  const page = new BroadcastChannel("memory");
  const scopes = [];
  let isFull = false;
  page.onmessage = () => page.postMessage((isFull = true));
  GPUDevice.prototype.createBuffer = function (descriptor) {
    if (!isFull || descriptor.label !== "keys and values") return createBuffer.call(this, descriptor);
    page.postMessage("refused");
    for (const scope of scopes) scope.failed = scope.filter === "out-of-memory";
    return createBuffer.call(this, { ...descriptor, usage: 0 }); // as little valid as one without memory
  };
  GPUDevice.prototype.pushErrorScope = function (filter) {
    scopes.push({ filter, failed: false });
    pushErrorScope.call(this, filter);
  };
  GPUDevice.prototype.popErrorScope = async function () {
    const { failed } = scopes.pop();
    const error = await popErrorScope.call(this);
    return failed ? new GPUOutOfMemoryError("no memory is left") : error;
  };`;

test("a GPU without room for a second conversation answers all the same, and keeps what it has", async (t) => {
  const page = await harness.page(t);
  await page.evaluate(beforeWorkers, fillable);
  const { beside, alone, refused } = await page.evaluate(async (url) => {
    const worker = new BroadcastChannel("memory");
    const conversation = (seed) => Array.from({ length: 40 }, (_, index) => 259 + ((index * index + seed * index + seed) % 38));
    const answers = async (fill) => {
      const engine = await window.tabmind.load(url, { cache: "none", backend: "webgpu", threads: 1 });
      if (fill) {
        const filled = new Promise((resolve) => (worker.onmessage = resolve));
        worker.postMessage("fill");
        await filled;
      }
      const found = [];
      for (const seed of [1, 2, 1]) {
        const { choices, usage } = await engine.completions.create({ prompt: conversation(seed), max_tokens: 4, temperature: 0, return_token_ids: true });
        found.push({ ids: choices[0].token_ids, cached: usage.prompt_tokens_details.cached_tokens });
      }
      await engine.close();
      return found;
    };
    const before = await answers(false);
    const words = [];
    const after = answers(true);
    worker.addEventListener("message", ({ data }) => words.push(data));
    return { beside: before, alone: await after, refused: words.includes("refused") };
  }, tiny());
  assert.ok(refused, "a copy was asked for");
  assert.deepEqual(beside.map(({ cached }) => cached), [0, 0, 39]);
  assert.deepEqual(alone.map(({ cached }) => cached), [0, 0, 0]);
  assert.deepEqual(alone.map(({ ids }) => ids), beside.map(({ ids }) => ids));
});

/** In a worker: says when a GPU's device is gone. Its kernels compute nonsense. */
const telling = `
  const { requestDevice } = GPUAdapter.prototype;
  const { createShaderModule } = GPUDevice.prototype;
  const page = new BroadcastChannel("memory");
  GPUAdapter.prototype.requestDevice = async function (...given) {
    const device = await requestDevice.apply(this, given);
    page.postMessage("had");
    void device.lost.then(() => page.postMessage("gone"));
    return device;
  };
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    return createShaderModule.call(this, { ...descriptor, code: descriptor.code.replaceAll("inverseSqrt(", "sqrt(") });
  };`;

test("a GPU whose work the CPU takes over gives its memory back at once", async (t) => {
  const page = await harness.page(t);
  await page.evaluate(beforeWorkers, telling);
  const { backend, had, gone } = await page.evaluate(async (url) => {
    const worker = new BroadcastChannel("memory");
    const said = [];
    worker.onmessage = ({ data }) => said.push(data);
    const engine = await window.tabmind.load(url, { cache: "none", backend: "webgpu", threads: 1 });
    const count = (word) => said.filter((heard) => heard === word).length;
    const deadline = Date.now() + 20_000;
    while ((said.length === 0 || count("gone") < count("had")) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    return { backend: engine.info.backend, had: count("had"), gone: count("gone") };
  }, tiny());
  assert.equal(backend, "cpu");
  assert.ok(had > 0);
  assert.equal(gone, had);
});
