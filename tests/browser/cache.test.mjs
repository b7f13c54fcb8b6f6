// The cache: what is there is not fetched again, what is damaged is fetched again and nothing else, and what cannot be
// kept is loaded all the same.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createFaults, sentTwice } from "./faults.mjs";
import { splitGguf, tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertAborted, assertError, soak, useHarness } from "./harness.mjs";

const model = writeGguf(tinyModel({ dim: 256, blocks: 3 }));
const other = writeGguf(tinyModel({ dim: 256, blocks: 3, seed: 7 }));
const sha256 = createHash("sha256").update(model).digest("hex");
const faults = createFaults(model);
const chunk = 16 << 10;
/** What an estimate asks for: its first read, which holds this header. */
const headerBytes = 16 * chunk;

/** A worker in which something of the browser is broken: `/broken/NAME/worker-BUILD.js`. */
const broken = {
  "no-files": `navigator.storage.getDirectory = () => Promise.reject(new DOMException("not in this window", "SecurityError"));`,
  // As a browser that tells the truth.
  "tells": `navigator.storage.estimate = () => Promise.resolve({ usage: 50e6, quota: 70e6 });`,
  "full": `
    const { write } = FileSystemSyncAccessHandle.prototype;
    let written = 0;
    FileSystemSyncAccessHandle.prototype.write = function (bytes, options) {
      if ((written += bytes.byteLength) > 3000000) throw new DOMException("the disk is full", "QuotaExceededError");
      return write.call(this, bytes, options);
    };`,
};

/** `/versions/…`: another file when `version` is another. `/parts/N`: the files of a split model. */
let version = model;
let parts = [];
let sentOfParts = 0;
function handle(request, response, path) {
  const [, kind, name, file] = path.split("/");
  switch (kind) {
    case "broken":
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(file.startsWith("worker-") ? `import "./break.js";\nimport "/pkg/${file}";` : broken[name]);
      return true;
    case "versions":
      sendFile(request, response, version);
      return true;
    case "parts":
      sentOfParts += sendFile(request, response, parts[Number(name)]);
      return true;
    default:
      return faults.handle(request, response, path);
  }
}

/** Answers with a file or a range of it; how many bytes that are. */
function sendFile(request, response, bytes) {
  const etag = `"${createHash("md5").update(bytes).digest("hex")}"`;
  const range = /bytes=(\d+)-(\d*)/u.exec(request.headers.range ?? "");
  const start = Number(range?.[1] ?? 0);
  const end = Math.min(bytes.length, range?.[2] ? Number(range[2]) + 1 : bytes.length);
  response.writeHead(range ? 206 : 200, {
    ETag: etag,
    "Content-Length": end - start,
    ...(range && { "Content-Range": `bytes ${start}-${end - 1}/${bytes.length}` }),
  });
  const body = request.method === "HEAD" ? Buffer.alloc(0) : bytes.subarray(start, end);
  response.end(body);
  return body.length;
}
const harness = useHarness({ handle });

let asked = 0;
const fault = (name) => `/faults/${name}/${(asked += 1)}.gguf`;
const sent = (path) => faults.requests(path).reduce((sum, request) => sum + request.sent, 0);

/** Tabs of one browser profile. */
async function profile(t) {
  const context = await harness.browser.newContext();
  t.after(() => context.close());
  return () => harness.page(t, "", context);
}

/** Loads `url` and writes a little: the text's ids and the engine's info. */
const load = (page, url, options = {}) =>
  page.evaluate(
    ([path, { patch, ...loadOptions }]) =>
      window.outcome(async () => {
        const assets = patch && ((file) => (file.startsWith("worker-") ? `/broken/${patch}/${file}` : `/pkg/${file}`));
        const engine = await window.tabmind.load(path, { assets, ...loadOptions });
        const { choices } = await engine.completions.create({ prompt: "the", max_tokens: 8, temperature: 0, return_token_ids: true, ignore_eos: true });
        await engine.close();
        return { ids: choices[0].token_ids, info: engine.info };
      }),
    [url, options],
  );
const list = (page) => page.evaluate(() => window.tabmind.cache.list());

/** Changes the stored files: `change(name, bytes)` answers other bytes, or null to delete the file. */
const tamper = (page, ending, change) =>
  page.evaluate(
    async ([end, body]) => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("tabmind-models");
      const changeBytes = new Function("bytes", body);
      for await (const [name, file] of folder.entries()) {
        if (!name.endsWith(end)) continue;
        const changed = changeBytes(new Uint8Array(await (await file.getFile()).arrayBuffer()));
        if (changed === null) await folder.removeEntry(name);
        else {
          const writable = await file.createWritable();
          await writable.write(changed);
          await writable.close();
        }
      }
    },
    [ending, change],
  );

/** What the model writes when nothing is kept. */
let expected;
harness.beforehand(async (page) => {
  expected = (await load(page, harness.made("model.gguf", model), { cache: "none" })).value.ids;
  assert.equal(expected.length, 8);
});

function assertModel(outcome, cached) {
  assert.equal(outcome.error, undefined, JSON.stringify(outcome.error));
  assert.deepEqual(outcome.value.ids, expected);
  assert.equal(outcome.value.info.cached, cached, "info.cached");
}

test("without the cache", async (t) => {
  const page = await harness.page(t);
  const outcome = await load(page, fault("none"), { cache: "none" });
  assertModel(outcome, false);
  assert.deepEqual([outcome.value.info.sha256, outcome.value.info.notes], [null, []]);
  assert.deepEqual(await list(page), []);
});

test("what is on no server is read to its end, and not kept", async (t) => {
  const page = await harness.page(t);
  const url = await page.evaluate(async (path) => URL.createObjectURL(await (await fetch(path)).blob()), harness.made("blob.gguf", model));
  const outcome = await load(page, url);
  assertModel(outcome, false);
  assert.deepEqual(outcome.value.info.notes, []);
  assert.deepEqual(await list(page), [], "a blob's URL is another one in the next page");
});

test("a split model without one of its files, or with two exchanged, is refused and costs nothing that came", async (t) => {
  const page = await harness.page(t);
  const load3 = (urls) =>
    page.evaluate(
      (sources) =>
        window.outcome(async () => {
          const engine = await window.tabmind.load(sources);
          await engine.close();
          return engine.info;
        }),
      urls,
    );
  parts = splitGguf(tinyModel({ dim: 256, blocks: 3 }), [8, 20]);
  const urls = parts.map((_, index) => `/parts/${index}`);
  assertError(await load3([urls[0], urls[2]]), "invalid_request", /split into 3 files, 2 given/u);
  assertError(await load3([urls[0], urls[2], urls[1]]), "invalid_request", /split\.no/u);
  assertError(await load3([urls[0], fault("status=404"), urls[2]]), "http_status", /404/u);
  sentOfParts = 0;
  const kept = (await list(page)).reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const { value, error } = await load3(urls);
  assert.equal(error, undefined, JSON.stringify(error));
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  assert.equal(value.sizeBytes, total);
  assert.ok(kept > 0 && sentOfParts === total - kept, `${sentOfParts} bytes were sent of ${total}, ${kept} were there`);
  assert.deepEqual((await list(page)).map(({ complete }) => complete), [true, true, true]);
});

test("a second load takes everything from the cache", async (t) => {
  const tab = await profile(t);
  const path = fault("none");
  const first = await load(await tab(), path);
  assertModel(first, false);
  assert.equal(first.value.info.sha256, sha256);
  assert.deepEqual(first.value.info.notes, []);
  assert.equal(sent(path), model.length);
  const page = await tab();
  assert.equal((await page.evaluate((url) => window.tabmind.estimate(url), path)).cached, true);
  const made = faults.requests(path).length;
  const second = await load(page, path);
  assertModel(second, true);
  assert.equal(second.value.info.sha256, sha256);
  assert.deepEqual(faults.requests(path).slice(made).map(({ method }) => method), ["HEAD"], "one question: is it still the same?");
  assert.equal(sent(path), model.length);
  // Not even that where the hash says it.
  const asksNothing = faults.requests(path).length;
  assertModel(await load(page, path, { sha256 }), true);
  assertError(await load(page, path, { sha256: "0".repeat(64) }), "hash_mismatch", new RegExp(sha256, "u"));
  assertModel(await load(page, fault("status=404"), { sha256 }), true);
  assert.equal(faults.requests(path).filter(({ method }) => method === "GET").length, 5);
  assert.equal(faults.requests(path).length - asksNothing, 1, "the other hash costs one question");
});

test("cache.list, usage, verify and delete", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  const cache = (op, ...args) => page.evaluate(([name, given]) => window.outcome(() => window.tabmind.cache[name](...given)), [op, args]);
  assert.deepEqual(await cache("list"), { value: [] });
  const path = fault("none");
  await load(page, path);
  const { value: [file, ...rest] } = await cache("list");
  assert.equal(rest.length, 0);
  const { lastUsed, ...facts } = file;
  const url = new URL(path, harness.site.url).href;
  assert.deepEqual(facts, { url, sizeBytes: model.length, storedBytes: model.length, complete: true, sha256 });
  assert.ok(Math.abs(Date.now() - lastUsed) < 60_000);
  const { value: usage } = await cache("usage");
  assert.equal(usage.bytes, model.length);
  assert.ok(usage.quotaBytes > model.length);
  assert.deepEqual(await cache("verify", path), { value: { ok: true, damagedBytes: 0 } });
  assert.deepEqual(await cache("verify", sha256.toUpperCase()), { value: { ok: true, damagedBytes: 0 } });
  assertError(await cache("verify", "/nothing.gguf"), "invalid_request", /not in the cache/u);
  assertError(await cache("delete", 5), "invalid_request", /model/u);
  assert.deepEqual(await cache("delete", path), { value: 1 });
  assert.deepEqual(await cache("delete", path), { value: 0 });
  assert.deepEqual(await cache("list"), { value: [] });
  assertModel(await load(page, path), false);
});

test("the browser is asked to keep what is stored, and only where something is", async (t) => {
  const open = await profile(t);
  const page = await open();
  // What it answers is a matter of the user, and of how much a site is used: headless Chromium always refuses.
  await page.evaluate(() => {
    window.asked = 0;
    const { persist } = StorageManager.prototype;
    StorageManager.prototype.persist = function () {
      window.asked += 1;
      return persist.call(this);
    };
  });
  const loadAndCount = async (options) => {
    assertModel(await load(page, fault("none"), options), false);
    return page.evaluate(() => window.asked);
  };
  assert.equal(await loadAndCount({ cache: "none" }), 0);
  assert.equal(await loadAndCount({}), 1);
  const persisted = () => page.evaluate(async () => (await window.tabmind.cache.usage()).persisted);
  assert.equal(await persisted(), false);
});

test("an aborted download goes on from where it was", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  for (const share of soak ? [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5] : [0.05, 0.25, 0.5]) {
    await t.test(`at ${share}`, async () => {
      const path = fault("drip=60");
      const aborted = await page.evaluate(([url, at]) => {
        const controller = new AbortController();
        const onProgress = ({ loaded, total }) => loaded > total * at && controller.abort();
        return window.outcome(() => window.tabmind.load(url, { onProgress, signal: controller.signal }));
      }, [path, share]);
      assertAborted(aborted);
      const url = new URL(path, harness.site.url).href;
      const stored = (await list(page)).find((file) => file.url === url);
      assert.deepEqual([stored.complete, stored.sha256], [false, null]);
      assert.ok(stored.storedBytes >= model.length * share * 0.8, `${stored.storedBytes} bytes were kept`);
      const missing = () => page.evaluate(async (address) => (await window.tabmind.estimate(address)).downloadBytes, path);
      assert.equal(await missing(), model.length - stored.storedBytes);
      const resumed = await load(page, path);
      assertModel(resumed, false);
      assert.equal(resumed.value.info.sha256, sha256);
      assert.equal(await missing(), 0);
      // What was on its way when the worker was told to stop: on each of four connections what the browser buffers, some 2 MB.
      // The estimate's own request, for the header, was no part of it.
      const twice = sentTwice(faults.requests(path)) - headerBytes;
      t.diagnostic(`at ${share}: ${twice} bytes were sent twice`);
      assert.ok(twice <= 4 * (2 << 20) + 4 * chunk, `${twice} bytes were sent twice`);
    });
  }
});

test("a tab that is closed, or crashes, loses next to nothing", async (t) => {
  const tab = await profile(t);
  for (const how of ["close", "crash", "reload"]) {
    await t.test(how, async () => {
      const path = fault("drip=60");
      const page = await tab();
      await page.evaluate((url) => {
        window.loaded = 0;
        window.tabmind.load(url, { onProgress: ({ loaded }) => (window.loaded = loaded) }).catch(() => {});
      }, path);
      await page.waitForFunction((half) => window.loaded > half, model.length / 2);
      if (how === "close") await page.close();
      else if (how === "reload") await page.reload();
      else await page.goto("chrome://crash").catch(() => {});
      assertModel(await load(await tab(), path), false);
      assert.ok(sentTwice(faults.requests(path)) <= 4 * (2 << 20) + 4 * chunk, `${sentTwice(faults.requests(path))} bytes were sent twice`);
    });
  }
});

test("a part of a file whose version nothing tells is not gone on with, unless the hash is known", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  for (const options of [{}, { sha256 }]) {
    const path = fault("no-version=4000000");
    const aborted = await page.evaluate(([url, given]) => {
      const controller = new AbortController();
      const onProgress = ({ loaded }) => loaded > 2e6 && controller.abort();
      return window.outcome(() => window.tabmind.load(url, { ...given, onProgress, signal: controller.signal }));
    }, [path, options]);
    assertAborted(aborted);
    const before = sent(path);
    assertModel(await load(page, path, options), false);
    const fetched = sent(path) - before;
    assert.ok(options.sha256 ? fetched < model.length : fetched === model.length, `${fetched} bytes were fetched`);
    await page.evaluate((url) => window.tabmind.cache.delete(url), path);
  }
});

test("a file that the server has changed is fetched anew, and its change is told", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  version = model;
  const first = await load(page, "/versions/a.gguf");
  assertModel(first, false);
  version = other;
  const { value } = await load(page, "/versions/a.gguf");
  const newHash = createHash("sha256").update(other).digest("hex");
  assert.deepEqual([value.info.cached, value.info.sha256], [false, newHash]);
  assert.match(value.info.notes.join(), new RegExp(`has changed since.*${sha256}.*${newHash}`, "u"));
  assert.deepEqual((await list(page)).map((file) => file.sha256), [newHash], "the old one is gone");
  // A part of one version is not gone on with as another.
  version = model;
  await page.evaluate(() => {
    const controller = new AbortController();
    const onProgress = ({ loaded }) => loaded > 1e6 && controller.abort();
    return window.outcome(() => window.tabmind.load("/versions/b.gguf", { onProgress, signal: controller.signal }));
  });
  version = other;
  assert.equal((await load(page, "/versions/b.gguf")).value.info.sha256, newHash);
  version = model;
});

test("the same bytes from another place are kept once", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  await load(page, fault("none"));
  const twin = fault("none");
  assertModel(await load(page, twin), false);
  assert.equal((await list(page)).length, 1);
  assertModel(await load(page, twin), true);
});

test("damage in the cache is noticed, and only it is fetched again", async (t) => {
  const flip = (...places) => `for (const at of ${JSON.stringify(places)}) bytes[at] ^= 4; return bytes;`;
  const cases = {
    "one bit of the header": { ending: ".data", change: flip(100), damaged: 1 },
    "one bit of the weights": { ending: ".data", change: flip(5_000_000), damaged: 1 },
    "bits everywhere": { ending: ".data", change: flip(3, 20_000, 3_000_000, 3_000_001, model.length - 1), damaged: 4 },
    "the data are cut": { ending: ".data", change: `return bytes.slice(0, ${100 * chunk});`, damaged: Math.ceil(model.length / chunk) - 100 },
    "the data are empty": { ending: ".data", change: "return bytes.slice(0, 0);", damaged: Math.ceil(model.length / chunk) },
    "the data are gone": { ending: ".data", change: "return null;", damaged: Math.ceil(model.length / chunk) },
    "a checksum": { ending: ".index", change: flip(2 * chunk + 8 * 9), damaged: 1 },
    "the newer record": { ending: ".index", change: flip(50), damaged: 0 },
    "the older record": { ending: ".index", change: flip(chunk + 50), damaged: 0 },
  };
  const tab = await profile(t);
  for (const [name, { ending, change, damaged }] of Object.entries(cases)) {
    await t.test(name, async () => {
      const page = await tab();
      const path = fault("none");
      await page.evaluate(async () => {
        for (const { url } of await window.tabmind.cache.list()) await window.tabmind.cache.delete(url);
      });
      await load(page, path);
      await tamper(page, ending, change);
      const before = sent(path);
      assertModel(await load(page, path), true);
      const fetched = sent(path) - before;
      assert.ok(fetched <= damaged * chunk && fetched > (damaged - 1) * chunk, `${fetched} bytes were fetched for ${damaged} damaged chunks`);
      const { ok } = await page.evaluate((url) => window.tabmind.cache.verify(url), path);
      assert.ok(ok, "the cache is sound afterwards");
      assertModel(await load(page, path), true);
      assert.equal(sent(path) - before, fetched);
    });
  }
});

test("cache.verify finds damage, and the next load repairs it", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  const path = fault("none");
  await load(page, path);
  await tamper(page, ".data", `bytes[${10 * chunk}] ^= 1; bytes[${20 * chunk + 1}] ^= 1; return bytes;`);
  const verify = () => page.evaluate((url) => window.tabmind.cache.verify(url), path);
  assert.deepEqual(await verify(), { ok: false, damagedBytes: 2 * chunk });
  assert.equal((await list(page))[0].complete, false);
  const before = sent(path);
  assertModel(await load(page, path), true);
  assert.equal(sent(path) - before, 2 * chunk);
  assert.deepEqual(await verify(), { ok: true, damagedBytes: 0 });
});

test("an index that says nothing any more is dropped, and the file fetched again", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  for (const change of ["return bytes.fill(7);", "return bytes.slice(0, 10);", "return bytes.slice(0, 0);", "return null;"]) {
    await t.test(change, async () => {
      const path = fault("none");
      await load(page, path);
      await tamper(page, ".index", change);
      assertModel(await load(page, path), false);
      assertModel(await load(page, path), true);
      assert.equal(sent(path), 2 * model.length);
      await page.evaluate((url) => window.tabmind.cache.delete(url), path);
    });
  }
});

test("damage that cannot be repaired is an error, and costs nothing that is sound", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  version = model;
  await load(page, "/versions/c.gguf");
  await tamper(page, ".data", `bytes[5000000] ^= 1; return bytes;`);
  await page.route("**/versions/**", (route) => route.abort());
  assertError(await load(page, "/versions/c.gguf"), "network");
  await page.unroute("**/versions/**");
  assertModel(await load(page, "/versions/c.gguf"), true);
});

test("without a network a whole file loads from the cache", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  const path = fault("none");
  await load(page, path);
  const site = fault("none");
  // The package's own files come from the browser's cache or not at all: only the model's server is gone.
  await page.route("**/faults/**", (route) => route.abort());
  assertModel(await load(page, path), true);
  assertError(await load(page, site), "network");
});

test("a browser that gives no files, or has no room, loads all the same and says so", async (t) => {
  for (const [patch, note] of [["no-files", /not kept.*SecurityError/u], ["full", /not kept.*QuotaExceededError/u]]) {
    await t.test(patch, async (sub) => {
      const tab = await profile(sub);
      const page = await tab();
      const path = fault("none");
      const outcome = await load(page, path, { patch });
      assertModel(outcome, false);
      assert.match(outcome.value.info.notes.join(), note);
      assert.equal(sent(path), model.length, "each byte once");
      // What was stored before the disk was full is not fetched again.
      const stored = (await list(page))[0]?.storedBytes ?? 0;
      assert.ok(patch === "full" ? stored > 2_000_000 : stored === 0, `${stored} bytes are stored`);
      assertModel(await load(page, path), false);
      assert.equal(sent(path), 2 * model.length - stored);
    });
  }
});

test("the browser's own quota: refused beforehand, or made room for with consent", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  version = other;
  await load(page, "/versions/old.gguf");
  const path = fault("none");
  await load(page, path);
  const session = await page.context().newCDPSession(page);
  const quota = (quotaSize) => session.send("Storage.overrideQuotaForOrigin", { origin: harness.site.url.slice(0, -1), quotaSize });
  const { bytes } = await page.evaluate(() => window.tabmind.cache.usage());
  await quota(bytes + 1_000_000);
  version = writeGguf(tinyModel({ dim: 256, blocks: 3, seed: 9 }));
  const refused = await load(page, "/versions/new.gguf");
  assert.match(refused.value.info.notes.join(), /not kept.*QuotaExceededError/u);
  const urls = async () => (await list(page)).map(({ url }) => new URL(url).pathname);
  assert.deepEqual(await urls(), [path, "/versions/old.gguf"], "nothing is deleted without consent");
  const kept = await load(page, "/versions/new.gguf", { evict: true });
  assert.deepEqual(kept.value.info.notes, []);
  assert.deepEqual(await urls(), ["/versions/new.gguf", path], "what was not used for longest is gone");
  version = model;
  await session.send("Storage.overrideQuotaForOrigin", { origin: harness.site.url.slice(0, -1) });
  const told = await load(page, fault("none"), { patch: "tells", sha256 });
  assertModel(told, true);
  version = writeGguf(tinyModel({ dim: 256, blocks: 3, seed: 11 }));
  assert.match((await load(page, "/versions/more.gguf", { patch: "tells" })).value.info.notes.join(), /lets this page store 20 MB more/u);
  version = model;
});

test("two tabs that load the same model download it once", async (t) => {
  const tab = await profile(t);
  const pages = await Promise.all([tab(), tab(), tab()]);
  const path = fault("drip=40");
  const outcomes = await Promise.all(pages.map((page) => load(page, path)));
  for (const outcome of outcomes) assert.deepEqual(outcome.value?.ids, expected, JSON.stringify(outcome.error));
  assert.deepEqual(outcomes.map(({ value }) => value.info.cached).toSorted(), [false, true, true]);
  assert.equal(sent(path), model.length);
  // And once it is there, all at once.
  for (const outcome of await Promise.all(pages.map((page) => load(page, path)))) assertModel(outcome, true);
  assert.equal(sent(path), model.length);
});

test("a file that another worker has open is read all the same", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  const path = fault("none");
  await load(page, path);
  const outcome = await page.evaluate(async () => {
    const script = `
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("tabmind-models");
      for await (const file of folder.values()) if (file.name.endsWith(".data")) self.held = await file.createSyncAccessHandle();
      const [lock] = (await folder.keys().next()).value.split(".");
      navigator.locks.request("tabmind file " + lock, () => new Promise(() => { self.postMessage("held"); }));`;
    window.holder = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })), { type: "module" });
    await new Promise((resolve, reject) => {
      window.holder.onmessage = resolve;
      window.holder.onerror = reject;
    });
    return null;
  });
  assert.equal(outcome, null);
  assertModel(await load(page, path), true);
  assertError(await page.evaluate((url) => window.outcome(() => window.tabmind.cache.delete(url)), path), "invalid_request", /being loaded/u);
  await page.evaluate(() => window.holder.terminate());
});

test("what is no model is not kept", async (t) => {
  const tab = await profile(t);
  const page = await tab();
  assertError(await load(page, fault("html")), "not_gguf");
  assertError(await load(page, fault("none"), { sha256: "1".repeat(64) }), "hash_mismatch");
  assert.deepEqual(await list(page), []);
});
