// Cuts a worker off from the network: every worker of the package calls `sealScope`, in its own scope, when its modules
// and the model are loaded.

/** Functions of the global scope, or of its prototypes, that ask a network. */
const functions = ["fetch", "fetchLater", "importScripts"];

/** Classes whose objects do. Of those marked, objects may exist already: their methods are shadowed too. */
const classes: { name: string; methods?: boolean }[] = [
  { name: "XMLHttpRequest", methods: true },
  { name: "WebSocket", methods: true },
  { name: "WebSocketStream" },
  { name: "WebTransport" },
  { name: "EventSource" },
  { name: "RTCPeerConnection" },
  { name: "TCPSocket" },
  { name: "TCPServerSocket" },
  { name: "UDPSocket" },
  { name: "Cache", methods: true },
  { name: "CacheStorage", methods: true },
  { name: "FontFace", methods: true },
  { name: "FontFaceSet", methods: true },
  { name: "Notification" }, // fetches its icon
  { name: "ServiceWorkerContainer", methods: true },
  { name: "ServiceWorkerRegistration", methods: true },
  { name: "ShadowRealm" },
  // A nested worker would have a scope of its own. Those that exist were sealed by themselves, and go on.
  { name: "Worker" },
  { name: "SharedWorker" },
];

/** Objects through which the same can be had. */
const objects = ["caches", "fonts"];
const ofNavigator = ["sendBeacon", "serviceWorker"];

/**
 * Takes every network primitive away from this scope, for good.
 *
 * `import()` is syntax and stays. `"csp"`: a Content-Security-Policy of this worker restricts it to the scripts that
 * the host allows. `"scope"`: it can still fetch a script from anywhere.
 */
export async function sealScope(): Promise<"csp" | "scope"> {
  for (const { name, methods = false } of classes) sealClass(name, methods);
  for (const name of [...functions, ...classes.map((entry) => entry.name), ...objects]) shadow(globalThis, name);
  for (const name of ofNavigator) shadow(navigator, name);
  return (await importIsRestricted()) ? "csp" : "scope";
}

/** What stands in the place of everything that is gone. Usable as a function and as a class. */
function refuse(): never {
  throw new DOMException("This worker is sealed: it has no network.", "SecurityError");
}

/** Replaces the property on `owner` and on every prototype that has it. */
function shadow(owner: object, name: string): void {
  if (!(name in owner)) return;
  for (let object: object | null = owner; object !== null; object = Object.getPrototypeOf(object) as object | null) {
    if (object === owner || Object.hasOwn(object, name)) replace(object, name);
  }
}

/** A class can also be had from its objects, as their `constructor`. */
function sealClass(name: string, methods: boolean): void {
  const { prototype } = (Reflect.get(globalThis, name) ?? {}) as { prototype?: object };
  if (prototype === undefined) return;
  replace(prototype, "constructor");
  if (!methods) return;
  for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (key !== "constructor" && typeof value === "function") replace(prototype, key);
  }
}

function replace(object: object, name: string): void {
  // Fails only where the browser has made the property unchangeable; then there is nothing that could be promised.
  Object.defineProperty(object, name, { value: refuse, writable: false, configurable: false, enumerable: false });
}

/** Whether a policy forbids scripts from anywhere. Asks no network: the script is in the URL. */
async function importIsRestricted(): Promise<boolean> {
  const anywhere = "data:text/javascript,";
  try {
    // A bundler must leave it alone.
    await import(/* @vite-ignore */ /* webpackIgnore: true */ anywhere);
    return false;
  } catch {
    return true;
  }
}
