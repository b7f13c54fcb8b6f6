// seal(): every escape that we know of is tried from inside the worker, and a server counts what reaches it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { serve } from "../../tools/serve.mjs";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertError, useHarness } from "./harness.mjs";

/** What reached a server: paths below /leak/. */
const leaks = [];
function listen(request, response, path) {
  if (!path.startsWith("/leak/")) return false;
  leaks.push(path);
  response.writeHead(200, { "Access-Control-Allow-Origin": "*", "Content-Type": "text/javascript" }).end("");
  return true;
}

/** A page's worker with an accomplice in it, who gets no hold of anything before the seal but an open worker. */
const policy = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src *";
const harness = useHarness({
  handle(request, response, path) {
    const [, kind, csp, file] = path.split("/");
    if (kind !== "accomplice") return listen(request, response, path);
    const headers = { "Content-Type": "text/javascript", ...(csp === "csp" && { "Content-Security-Policy": policy }) };
    response.writeHead(200, headers).end(file.startsWith("worker-") ? `import "./escape.js";\nimport "/pkg/${file}";` : escape);
    return true;
  },
});
const elsewhere = {};
before(async () => {
  elsewhere.site = await serve({ handle: listen, isolated: false });
});
after(() => elsewhere.site.close());

/** Each takes the URL that it should reach. Whether it throws does not matter. */
const escapes = {
  fetch: (url) => fetch(url, { mode: "no-cors" }),
  "self.fetch": (url) => self.fetch(url, { mode: "no-cors" }),
  "fetch of a prototype": (url) => {
    for (let object = self; object; object = Object.getPrototypeOf(object)) {
      const own = Object.getOwnPropertyDescriptor(object, "fetch");
      (own?.value ?? own?.get)?.call(self, url, { mode: "no-cors" });
    }
  },
  fetchLater: (url) => self.fetchLater(url, { activateAfter: 0 }),
  XMLHttpRequest: (url) => {
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    request.send();
  },
  "the XMLHttpRequest that was there": (url) => {
    kept.request.open("GET", url, false);
    kept.request.send();
  },
  "the class of the XMLHttpRequest that was there": (url) => {
    const request = new kept.request.constructor();
    request.open("GET", url, false);
    request.send();
  },
  WebSocket: (url) => new WebSocket(url.replace("http", "ws")),
  WebSocketStream: (url) => new self.WebSocketStream(url.replace("http", "ws")),
  WebTransport: (url) => new WebTransport(url.replace("http:", "https:")),
  EventSource: (url) => new EventSource(url),
  importScripts: (url) => importScripts(url),
  "caches.add": async (url) => (await caches.open("leak")).add(url),
  "Cache.add of one that was there": (url) => kept.cache.add(url),
  FontFace: (url) => new FontFace("leak", `url(${url})`).load(),
  "fonts.add": (url) => self.fonts.add(new FontFace("leak", `url(${url})`)),
  Worker: (url) => new Worker(url),
  "a worker of a blob": (url) => new Worker(URL.createObjectURL(new Blob([`fetch(${JSON.stringify(url)}, { mode: "no-cors" }).catch(() => {})`]))),
  "the class of a worker that was there": (url) =>
    new kept.worker.constructor(URL.createObjectURL(new Blob([`fetch(${JSON.stringify(url)}, { mode: "no-cors" }).catch(() => {})`]))),
  SharedWorker: (url) => new self.SharedWorker(url),
  sendBeacon: (url) => navigator.sendBeacon(url),
  "sendBeacon of the prototype": (url) => Object.getPrototypeOf(navigator).sendBeacon.call(navigator, url),
  "service worker": (url) => navigator.serviceWorker.register(url),
  Notification: (url) => new Notification("leak", { icon: url }),
  RTCPeerConnection: (url) => new self.RTCPeerConnection({ iceServers: [{ urls: `stun:${new URL(url).host}` }] }).createOffer(),
  "Reflect.construct": (url) => Reflect.construct(self["EventSource"], [url]),
  // oxlint-disable-next-line no-eval -- it is tried
  eval: (url) => (0, eval)(`fetch(${JSON.stringify(url)}, { mode: "no-cors" })`),
  Function: (url) => new Function("url", `return fetch(url, { mode: "no-cors" })`)(url),
};
/** These change what `fetch` is, and come last. */
const lastEscapes = {
  "fetch, deleted first": (url) => {
    try {
      delete self.fetch;
    } catch {}
    return fetch(url, { mode: "no-cors" });
  },
  "fetch, defined anew": (url) => {
    Object.defineProperty(self, "fetch", { value: Object.getPrototypeOf(self).fetch });
    return fetch(url, { mode: "no-cors" });
  },
};
const source = (set) => `{ ${Object.entries(set).map(([name, run]) => `${JSON.stringify(name)}: ${run}`).join(",\n")} }`;
const escape = `
  const kept = { request: new XMLHttpRequest(), worker: new Worker(URL.createObjectURL(new Blob([""]))) };
  caches.open("leak").then((cache) => (kept.cache = cache));
  const last = ${source(lastEscapes)};
  const escapes = { ...${source(escapes)}, "import()": (url) => import(url), ...last };
  // What an escape leaves behind must not end the engine.
  self.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
  });
  self.addEventListener("message", async ({ data }) => {
    if (data.type !== "escape") return;
    const tried = [];
    for (const [name, run] of Object.entries(escapes)) {
      for (const base of data.bases) {
        try {
          await Promise.race([run(base + encodeURIComponent(name)), new Promise((resolve) => setTimeout(resolve, 150))]);
        } catch {}
      }
      tried.push(name);
    }
    self.postMessage({ type: "tried", tried });
  });`;

/** Loads with an accomplice, tries everything; answers what reached which server, and how the engine is. */
async function attempt(t, { csp, seal }) {
  const page = await harness.page(t);
  const url = harness.made("model.gguf", writeGguf(tinyModel()));
  const ready = await page.evaluate(
    ([model, policyName, seals]) =>
      window.outcome(async () => {
        const assets = (file) => (file.startsWith("worker-") ? `/accomplice/${policyName}/${file}` : `/pkg/${file}`);
        window.engine = await window.tabmind.load(model, { assets, cache: "none", seal: seals === "option" });
        if (seals === "call") await window.engine.seal();
        return window.engine.info.sealed;
      }),
    [url, csp ? "csp" : "none", seal],
  );
  assert.equal(ready.error, undefined, JSON.stringify(ready.error));
  leaks.length = 0;
  const bases = { here: `${harness.site.url}leak/here/`, elsewhere: `${elsewhere.site.url}leak/elsewhere/` };
  const tried = await page.evaluate(
    (targets) =>
      new Promise((resolve) => {
        const worker = window.workers[0].worker.deref();
        worker.addEventListener("message", ({ data }) => data.type === "tried" && resolve(data.tried));
        worker.postMessage({ type: "escape", bases: targets });
      }),
    Object.values(bases),
  );
  assert.equal(tried.length, Object.keys(escapes).length + Object.keys(lastEscapes).length + 1);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const at = (place) => [...new Set(leaks.filter((path) => path.startsWith(`/leak/${place}/`)).map((path) => path.split("/")[3]))].toSorted();
  const reached = { here: at("here"), elsewhere: at("elsewhere") };
  const made = harness.requests.length;
  await page.context().setOffline(true);
  const text = await page.evaluate(async () => {
    const { choices } = await window.engine.completions.create({ prompt: "the", max_tokens: 8, temperature: 0, ignore_eos: true });
    return choices[0].text;
  });
  await page.context().setOffline(false);
  assert.ok(text.length > 0, "generation works with the network cut");
  assert.equal(harness.requests.length, made);
  return { sealed: ready.value, reached };
}

test("without a seal, the escapes do reach a server", async (t) => {
  const { sealed, reached } = await attempt(t, { csp: false, seal: "no" });
  assert.equal(sealed, false);
  for (const place of ["here", "elsewhere"]) {
    for (const name of ["fetch", "XMLHttpRequest", "EventSource", "FontFace", "import()", "a worker of a blob", "the class of a worker that was there"]) {
      assert.ok(reached[place].includes(name), `${name} reaches ${place}: ${reached[place]}`);
    }
    assert.ok(reached[place].length >= 14, reached[place].join());
  }
});

for (const seal of ["option", "call"]) {
  test(`sealed by ${seal}: nothing gets out but import(), and info.sealed says "scope"`, async (t) => {
    const { sealed, reached } = await attempt(t, { csp: false, seal });
    assert.equal(sealed, "scope");
    assert.deepEqual(reached, { here: ["import()"], elsewhere: ["import()"] });
  });
}

test('sealed under a policy: import() reaches the host alone, and info.sealed says "csp"', async (t) => {
  const { sealed, reached } = await attempt(t, { csp: true, seal: "option" });
  assert.equal(sealed, "csp");
  assert.deepEqual(reached, { here: ["import()"], elsewhere: [] });
});

test("the server of the demo serves the worker with such a policy", async (t) => {
  const page = await harness.page(t);
  const sealed = await page.evaluate(async (url) => {
    const engine = await window.tabmind.load(url, { seal: true });
    await engine.close();
    return engine.info.sealed;
  }, harness.made("model.gguf", writeGguf(tinyModel())));
  assert.equal(sealed, "csp");
});

test("seal that is no boolean", async (t) => {
  const page = await harness.page(t);
  assertError(await page.evaluate(() => window.outcome(() => window.tabmind.load("/x.gguf", { seal: "yes" }))), "invalid_request", /seal/u);
});
