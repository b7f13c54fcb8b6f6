// Devices with subgroups. wgpu 30 does not know this feature in browsers and so never asks for it (gfx-rs/wgpu#10146): in a
// worker's own scope every device is asked for with it, where the adapter has it. `tests/browser/subgroups.test.mjs` fails
// once wgpu asks by itself, and this file can go.

const feature = "subgroups";

/** What is needed of WebGPU's types, which no TypeScript library has yet. */
interface Adapter {
  features: ReadonlySet<string>;
}
interface Descriptor {
  requiredFeatures?: Iterable<string>;
}
interface AdapterClass {
  prototype: { requestDevice(this: Adapter, descriptor?: Descriptor): Promise<unknown> };
}

/** To be called once, before the module asks for a device. Does nothing where there is no WebGPU. */
export function askForSubgroups(scope: { GPUAdapter?: AdapterClass } = self as never): void {
  const adapter = scope.GPUAdapter?.prototype;
  if (adapter === undefined) return;
  const { requestDevice } = adapter;
  adapter.requestDevice = function (descriptor = {}) {
    const features = new Set(descriptor.requiredFeatures);
    if (this.features.has(feature)) features.add(feature);
    return requestDevice.call(this, { ...descriptor, requiredFeatures: [...features] });
  };
}
