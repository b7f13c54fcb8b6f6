// Devices have subgroups where the adapter has them, and the package's workaround is still what brings them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { beforeWorkers, useHarness, withoutAssets } from "./harness.mjs";

const harness = useHarness();

/**
 * In a worker: reports what wgpu asks of an adapter (`wgpu`) and what the browser is asked for (`browser`): the package
 * puts its own function where the browser's was, and finds this one around it.
 */
const watch = `
  const channel = new BroadcastChannel("devices");
  const { requestDevice } = GPUAdapter.prototype;
  const report = (asked, descriptor) => channel.postMessage({ asked, features: [...(descriptor?.requiredFeatures ?? [])] });
  function browsers(descriptor) {
    report("browser", descriptor);
    return requestDevice.call(this, descriptor);
  }
  let current = browsers;
  function outermost(descriptor) {
    report("wgpu", descriptor);
    return current.call(this, descriptor);
  }
  Object.defineProperty(GPUAdapter.prototype, "requestDevice", {
    get: () => (current === browsers ? browsers : outermost),
    set: (value) => (current = value),
  });`;

test("a device is asked for with subgroups, of which wgpu knows nothing", { skip: withoutAssets }, async (t) => {
  const page = await harness.page(t);
  await page.evaluate(beforeWorkers, watch);
  const asked = await page.evaluate(async (url) => {
    const seen = {};
    new BroadcastChannel("devices").onmessage = ({ data }) => ((seen[data.asked] ??= []).push(data.features));
    const adapter = await navigator.gpu.requestAdapter();
    const engine = await window.tabmind.load(url, { cache: "none", backend: "webgpu" });
    await engine.close();
    return { ...seen, adapter: [...adapter.features], page: GPUAdapter.prototype.requestDevice.toString() };
  }, "/weights/stories260K/stories260K.gguf");
  assert.ok(asked.adapter.includes("subgroups"), "Chromium's software adapter has subgroups");
  assert.ok(asked.browser?.length > 0, "a device was asked for");
  for (const features of asked.browser) assert.ok(features.includes("subgroups"), "every device has them");
  for (const features of asked.wgpu) {
    assert.ok(!features.includes("subgroups"), "wgpu asks for subgroups by itself: pkg/src/wgpu.ts can go");
  }
  assert.match(asked.page, /native code/u, "the page's own scope is left alone");
});
