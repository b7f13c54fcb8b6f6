// What wgpu 30 lacks in browsers, made up for where devices are asked for, in a worker's own scope:
//
// - It does not know subgroups, and so never asks for them (gfx-rs/wgpu#10146): every device is asked for with them, where
//   the adapter has them.
// - It panics at a GPUInternalError, which is how a browser reports a kernel that the driver's compiler refuses
//   (gfx-rs/wgpu#9914): it is told of a GPUValidationError instead.
//
// `tests/browser/wgpu.test.mjs` fails once wgpu asks by itself.

const subgroups = "subgroups";

/** What is needed of WebGPU's types, which no TypeScript library has yet. */
interface Adapter {
  features: ReadonlySet<string>;
}
interface Descriptor {
  requiredFeatures?: Iterable<string>;
}
interface AdapterClass {
  prototype: { requestDevice(this: Adapter, descriptor?: Descriptor): Promise<EventTarget> };
}
type ErrorClass = new (message: string) => { message: string };
interface Scope {
  GPUAdapter?: AdapterClass;
  GPUInternalError?: ErrorClass;
  GPUValidationError?: ErrorClass;
  GPUUncapturedErrorEvent?: new (type: string, init: { error: unknown }) => Event;
}

/** To be called once, before the module asks for a device. Does nothing where there is no WebGPU. */
export function helpWgpu(scope: Scope = self as never): void {
  const adapter = scope.GPUAdapter?.prototype;
  if (adapter === undefined) return;
  const { requestDevice } = adapter;
  adapter.requestDevice = async function (descriptor = {}) {
    const features = new Set(descriptor.requiredFeatures);
    if (this.features.has(subgroups)) features.add(subgroups);
    const device = await requestDevice.call(this, { ...descriptor, requiredFeatures: [...features] });
    translateInternalErrors(device, scope);
    return device;
  };
}

/** Listens before wgpu does, whose handler is set once it has the device. */
function translateInternalErrors(device: EventTarget, { GPUInternalError, GPUValidationError, GPUUncapturedErrorEvent }: Scope): void {
  if (!GPUInternalError || !GPUValidationError || !GPUUncapturedErrorEvent) return;
  device.addEventListener("uncapturederror", (event) => {
    const { error } = event as Event & { error: unknown };
    if (!(error instanceof GPUInternalError)) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    device.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error: new GPUValidationError(error.message) }));
  });
}
