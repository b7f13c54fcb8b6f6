// Servers and networks that misbehave: the right model and not a byte twice, or the right error after the right waits.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { serve } from "../../tools/serve.mjs";
import { createFaults, sentTwice } from "./faults.mjs";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertAborted, assertError, soak, useHarness } from "./harness.mjs";

const model = writeGguf(tinyModel({ dim: 256, blocks: 3 }));
const sha256 = createHash("sha256").update(model).digest("hex");
const faults = createFaults(model);
const harness = useHarness({ handle: faults.handle });

/** Other origins: one that lets pages read its answers, one that does not. */
const origins = {};
before(async () => {
  const open = (request, response, path) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    return faults.handle(request, response, path);
  };
  origins.open = await serve({ handle: open, isolated: false });
  origins.refusing = await serve({ handle: faults.handle, isolated: false });
});
after(() => Promise.all(Object.values(origins).map((origin) => origin.close())));

/** A path that nobody has asked for. */
let asked = 0;
const fault = (name) => `/faults/${name}/${(asked += 1)}.gguf`;

/** Loads `url` and writes a little: ids and the arrived bytes of the model, or the error; and how long it took. */
const load = (page, url, options = {}) =>
  page.evaluate(
    async ([path, loadOptions]) => {
      const started = performance.now();
      const outcome = await window.outcome(async () => {
        const engine = await window.tabmind.load(path, { cache: "none", ...loadOptions });
        const { choices } = await engine.completions.create({ prompt: "the", max_tokens: 8, temperature: 0, return_token_ids: true, ignore_eos: true });
        const bytes = engine.networkRequests().filter(({ url: requested }) => requested.includes("/faults/")).reduce((sum, request) => sum + request.bytes, 0);
        await engine.close();
        return { ids: choices[0].token_ids, bytes };
      });
      return { ...outcome, seconds: (performance.now() - started) / 1000 };
    },
    [url, options],
  );

/** What the model writes when it comes from memory: no server has a part in it. */
let expected;
harness.beforehand(async (page) => {
  const url = await page.evaluate(async (path) => URL.createObjectURL(await (await fetch(path)).blob()), harness.made("model.gguf", model));
  expected = (await load(page, url)).value.ids;
  assert.equal(expected.length, 8);
});

/** Fails unless the model that `outcome` loaded is the right one. */
function assertModel(outcome) {
  assert.equal(outcome.error, undefined, JSON.stringify(outcome.error));
  assert.deepEqual(outcome.value.ids, expected);
}

test("a server without faults", async (t) => {
  const page = await harness.page(t);
  const path = fault("none");
  const outcome = await load(page, path, { sha256 });
  assertModel(outcome);
  assert.equal(outcome.value.bytes, model.length);
  const requests = faults.requests(path);
  assert.equal(requests[0].start, 0);
  assert.equal(requests.length, 5, "the header, and the rest by four connections");
  assert.equal(sentTwice(requests), 0);
});

test("connections that are cut, anywhere", async (t) => {
  const page = await harness.page(t);
  const many = soak ? 50 : 3;
  // None of the connections has more than a quarter of the file to bring.
  const places = Array.from({ length: many }, (_, n) => Math.floor(model.length * (0.02 + (0.2 * n) / many)) + n);
  for (const cut of places) await t.test(`after ${cut} bytes each`, () => assertResumed(page, `cut=${cut}`));
  // In the header; later connections hold.
  for (const cut of [3, 5000, 300_000]) await t.test(`once after ${cut} bytes`, () => assertResumed(page, `cut-once=${cut}`));
});

/** What the browser has received of a connection but not handed over is lost when it breaks. */
const inThePipe = 3 << 20;

async function assertResumed(page, name) {
  const path = fault(name);
  const outcome = await load(page, path, { sha256 });
  assertModel(outcome);
  assert.equal(outcome.value.bytes, model.length, "each byte arrived once");
  const requests = faults.requests(path);
  const cut = requests.filter(({ start, end, sent }) => start + sent < end);
  assert.ok(cut.length > 0, "it was cut");
  for (const broken of cut) {
    const broke = broken.start + broken.sent;
    const goesOn = ({ start }) => start <= broke && start >= Math.max(broken.start, broke - inThePipe);
    assert.ok(requests.some((request) => request !== broken && goesOn(request)), `a connection broke at ${broke}, and none went on from there`);
  }
  assert.ok(sentTwice(requests) <= cut.length * inThePipe, `${sentTwice(requests)} bytes were sent twice`);
}

test("a connection that always breaks at the same byte is given up", async (t) => {
  const page = await harness.page(t);
  const path = fault("cut-from-start=3");
  const outcome = await load(page, path);
  assertError(outcome, "network", /could not be fetched/u);
  const requests = faults.requests(path).length;
  // One more if those bytes came through only at the second try.
  assert.ok(requests === 5 || requests === 6, `${requests} requests`);
});

test("without range support the file is read from its beginning", async (t) => {
  const page = await harness.page(t);
  const whole = await load(page, fault("no-ranges"), { sha256 });
  assertModel(whole);
  assert.equal(whole.value.bytes, model.length);
  const cut = await load(page, fault("cut-no-ranges=1000000"), { sha256 });
  assertModel(cut);
  assert.ok(cut.value.bytes >= model.length && cut.value.bytes <= model.length + 1_000_000, `${cut.value.bytes} bytes`);
});

test("5xx and 429 are tried again, after the time that the server asks for", async (t) => {
  const page = await harness.page(t);
  for (const [name, refused, seconds] of [
    ["500=1", 1, 0.3],
    ["503=3", 3, 2.1],
    ["429=2", 1, 2],
    ["429-date=3", 1, 1.9],
  ]) {
    await t.test(name, async () => {
      const path = fault(name);
      const outcome = await load(page, path, { sha256 });
      assertModel(outcome);
      const made = faults.requests(path);
      assert.equal(made.filter(({ sent }) => sent === 0).length, refused);
      const waited = (made[refused].at - made[0].at) / 1000;
      assert.ok(waited >= seconds && waited < seconds + 5, `waited ${waited} s`);
    });
  }
});

test("what does not pass is not tried again", async (t) => {
  const page = await harness.page(t);
  for (const [name, requests, code, message] of [
    ["status=500", 5, "http_status", /500/u],
    ["429=3600", 1, "http_status", /429/u],
    ["status=404", 1, "http_status", /404/u],
    ["status=403", 1, "http_status", /403/u],
    ["status=400", 1, "http_status", /400/u],
    ["html", 1, "not_gguf", /HTML|web page/u],
    ["loop", null, "network", /could not be fetched/u],
  ]) {
    await t.test(name, async () => {
      const path = fault(name);
      assertError(await load(page, path), code, message);
      if (requests !== null) assert.equal(faults.requests(path).length, requests);
    });
  }
});

test("a file that changes between ranges is refused", async (t) => {
  const page = await harness.page(t);
  for (const [name, message] of [
    ["changed-etag=1000000", /changed while it was loaded.*ETag.*version-\d.*version-\d/u],
    ["changed-date=1000000", /changed while it was loaded.*Last-Modified/u],
    ["changed-length=1000000", /changed while it was loaded.*length/u],
  ]) {
    await t.test(name, async () => {
      const path = fault(name);
      assertError(await load(page, path), "corrupt_file", message);
      // Several connections may notice it at once.
      assert.ok(faults.requests(path).length <= 5);
    });
  }
});

test("a wrong Content-Length", async (t) => {
  const page = await harness.page(t);
  assertError(await load(page, fault("length=-100000")), "truncated_file", /tensor/u);
  // A connection that ends before its time may take the last bytes with it, or not.
  const longer = await load(page, fault("length=1000"));
  if (longer.error) assertError(longer, "network", /could not be fetched/u);
  else assertModel(longer);
  assertError(await load(page, fault("length=1000"), { sha256 }), "network", /could not be fetched/u);
});

test("a slow server is waited for", async (t) => {
  const page = await harness.page(t);
  const path = fault("drip=300");
  const outcome = await load(page, path, { sha256 });
  assertModel(outcome);
  assert.equal(outcome.value.bytes, model.length);
  assert.equal(sentTwice(faults.requests(path)), 0);
});

test("a silent server is noticed within 20 seconds", async (t) => {
  const pages = await Promise.all([harness.page(t), harness.page(t)]);
  const paths = [fault("stall=1000000"), fault("silence")];
  const outcomes = await Promise.all(pages.map((page, n) => load(page, paths[n], { sha256 })));
  for (const [n, outcome] of outcomes.entries()) {
    assertModel(outcome);
    assert.equal(outcome.value.bytes, model.length, "each byte arrived once");
    assert.ok(outcome.seconds > 19 && outcome.seconds < 25, `${outcome.seconds} s`);
    assert.equal(sentTwice(faults.requests(paths[n])), 0);
    if (n === 0) assert.ok(faults.requests(paths[n]).some(({ start }) => start === 1_000_000), "it went on where the silence began");
  }
});

test("redirects, and other origins", async (t) => {
  const page = await harness.page(t);
  assertModel(await load(page, fault("redirect"), { sha256 }));
  const other = origins.open.url.slice(0, -1);
  const cut = fault("cut=2000000");
  const outcome = await load(page, other + cut, { sha256 });
  assertModel(outcome);
  assert.equal(outcome.value.bytes, model.length, "resumed where ETag and Content-Range cannot be read");
  const refused = fault("none");
  const refusal = await load(page, origins.refusing.url.slice(0, -1) + refused);
  assertError(refusal, "network");
  assert.match(refusal.error.hint, /CORS/u);
  assert.equal(faults.requests(refused).length, 3);
  assert.ok(refusal.seconds < 5, `told after ${refusal.seconds} s`);
});

test("an abort ends every wait at once", async (t) => {
  const page = await harness.page(t);
  for (const name of ["status=503", "429=20", "silence", "stall=1000000", "drip=2000", "cut-from-start=3"]) {
    await t.test(name, async () => {
      const path = fault(name);
      const [outcome, late] = await page.evaluate(async (url) => {
        const controller = new AbortController();
        let abortedAt = 0;
        setTimeout(() => {
          abortedAt = performance.now();
          controller.abort();
        }, 600);
        const result = await window.outcome(() => window.tabmind.load(url, { cache: "none", signal: controller.signal }));
        return [result, performance.now() - abortedAt];
      }, path);
      assertAborted(outcome);
      assert.ok(late < 200, `${late} ms after the abort`);
      // What had left the browser by then may still be on its way to the server.
      await new Promise((resolve) => setTimeout(resolve, 500));
      const made = faults.requests(path).length;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      assert.equal(faults.requests(path).length, made, "nothing is asked for afterwards");
    });
  }
});
