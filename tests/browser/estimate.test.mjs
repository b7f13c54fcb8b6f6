// estimate(): right about memory, and only the header is read; load() refuses what cannot fit before it downloads it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createFaults } from "./faults.mjs";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertAborted, assertError, soak, useHarness } from "./harness.mjs";

// 1 GB in a soak run.
const large = writeGguf(tinyModel({ dim: 1024, blocks: soak ? 28 : 3, contextLength: 2 ** 24 }));
const small = writeGguf(tinyModel({ contextLength: 1024 }));
const faults = createFaults(large);
const harness = useHarness({ handle: faults.handle });
const header = 256 << 10; // the first read; this vocabulary fits into it

const estimate = (page, model, options = {}) =>
  page.evaluate(([url, loadOptions]) => window.outcome(() => window.tabmind.estimate(url, { cache: "none", ...loadOptions })), [model, options]);

test("memory is what loading takes, within 10 %", async (t) => {
  const page = await harness.page(t);
  const { value } = await estimate(page, "/faults/none/measured.gguf");
  assert.deepEqual(
    { fits: value.fits, reason: value.reason, downloadBytes: value.downloadBytes, backend: value.backend, cached: value.cached, contextLength: value.contextLength },
    { fits: true, reason: undefined, downloadBytes: large.length, backend: "cpu", cached: false, contextLength: 4096 },
  );
  const [empty, loaded] = await page.evaluate(
    async (urls) => {
      const heaps = [];
      for (const url of urls) {
        const engine = await window.tabmind.load(url, { cache: "none" });
        await engine.completions.create({ prompt: "the cat ".repeat(28), max_tokens: 1 });
        heaps.push((await engine.stats()).heapBytes);
        await engine.close();
      }
      return heaps;
    },
    [harness.made("small.gguf", small), "/faults/none/loaded.gguf"],
  );
  const { weights, kvCache, scratch } = value.memoryBytes;
  t.diagnostic(`weights ${weights}, cache ${kvCache}, scratch ${scratch}; the heap grew by ${loaded - empty}`);
  for (const [what, expected] of Object.entries({ "weights and cache": weights + kvCache, "all of it": weights + kvCache + scratch })) {
    const ratio = (loaded - empty) / expected;
    assert.ok(ratio > 0.9 && ratio < 1.1, `${what}: the heap grew by ${ratio} of ${expected}`);
  }
});

test("the expected speed is about what the model writes at", async (t) => {
  const page = await harness.page(t);
  const { value } = await estimate(page, "/faults/none/expected.gguf", { backend: "cpu", threads: 1 });
  const measured = await page.evaluate(async (url) => {
    const engine = await window.tabmind.load(url, { cache: "none", backend: "cpu", threads: 1 });
    const speeds = [];
    // The fastest of many short runs, as the estimate takes its fastest round: other programs slow down the rest.
    for (let run = 0; run < 16; run += 1) {
      const { timings } = await engine.completions.create({ prompt: "the", max_tokens: 4, temperature: 0, ignore_eos: true });
      speeds.push(timings.decode_per_second);
    }
    await engine.close();
    return Math.max(...speeds);
  }, "/faults/none/measured-speed.gguf");
  t.diagnostic(`expected ${value.expectedTokensPerSecond}, measured ${measured} tokens per second`);
  const ratio = value.expectedTokensPerSecond / measured;
  assert.ok(ratio > 0.2 && ratio < 6, `${value.expectedTokensPerSecond} tokens per second were expected, ${measured} were measured`);
  const refused = await estimate(page, "/faults/none/not-expected.gguf", { contextLength: 2 ** 20 });
  assert.equal(refused.value.expectedTokensPerSecond, undefined, "nothing is expected of what does not fit");
});

test("only the header is read", async (t) => {
  const page = await harness.page(t);
  const path = "/faults/drip=50/header.gguf"; // slow, so that not all is under way before anybody asks
  const { value } = await estimate(page, path);
  assert.equal(value.downloadBytes, large.length);
  const requests = faults.requests(path);
  assert.equal(requests.length, 1);
  assert.ok(requests[0].sent < header + (4 << 20), `${requests[0].sent} bytes of ${large.length} were sent`);
  assert.ok(await page.evaluate(() => window.workers.every(({ terminated }) => terminated)), "no worker stays behind");
});

test("what cannot fit is refused before it is downloaded", async (t) => {
  const page = await harness.page(t);
  const options = { contextLength: 2 ** 20 };
  const guess = await estimate(page, "/faults/none/huge.gguf", options);
  assert.equal(guess.value.fits, false);
  assert.match(guess.value.reason, /\d+ MB for weights.*1048576 tokens.*at most 3500 MB/u);
  assert.ok(guess.value.memoryBytes.kvCache > 3.5e9);
  const path = "/faults/drip=50/refused.gguf";
  const refusal = await page.evaluate(
    ([url, loadOptions]) => window.outcome(() => window.tabmind.load(url, { cache: "none", ...loadOptions })),
    [path, options],
  );
  assertError(refusal, "out_of_memory", /1048576 tokens/u);
  assert.match(refusal.error.hint, /contextLength/u);
  assert.ok(faults.requests(path)[0].sent < header + (4 << 20), "nothing but the header was sent");
});

test("errors and aborts are those of load()", async (t) => {
  const page = await harness.page(t);
  assertError(await estimate(page, "/fault/404.gguf"), "http_status", /404/u);
  assertError(await estimate(page, "/fault/page.gguf"), "not_gguf");
  assertError(await estimate(page, "/made/small.gguf", { contextLength: 0 }), "invalid_request", /contextLength/u);
  const aborted = await page.evaluate(() =>
    window.outcome(() => window.tabmind.estimate("/faults/silence/x.gguf", { cache: "none", signal: AbortSignal.timeout(300) })),
  );
  assertAborted(aborted);
});
