// A download takes little more of the wasm heap than the weights; after close() the memory is back, and cycles of load and
// close do not grow it.
//
// Measured from outside, as resident memory of the page's process: performance.measureUserAgentSpecificMemory() does
// not count the wasm memory of a worker (tried: 30 MB of weights made 0.7 MB of difference).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { soak, useHarness } from "./harness.mjs";

const harness = useHarness();
const MiB = 2 ** 20;
const skip = process.platform === "win32" && "resident memory is read from /proc or ps";

function residentBytes(pid) {
  if (process.platform !== "linux") return Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) * 1024;
  return Number(/^RssAnon:\s+(\d+) kB$/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;
}

/** Measures one page: its process, and the JavaScript heap of the page itself, both after garbage collection. */
async function meter(page) {
  const browser = await harness.browser.newBrowserCDPSession();
  const session = await page.context().newCDPSession(page);
  const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  return async () => {
    await session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    // A spare renderer may wait beside ours; it does nothing.
    return { resident: renderers.reduce((sum, pid) => sum + residentBytes(pid), 0), heap: usedSize };
  };
}

/** The least of several measurements, until it is `enough`: freed memory goes back to the system a little later. */
async function settled(measure, enough) {
  let least = Infinity;
  for (let attempt = 0; attempt < 20 && least > enough; attempt += 1) {
    if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, 200));
    least = Math.min(least, (await measure()).resident);
  }
  return least;
}

/** Loads, writes a little, and leaves the engine open or closes it; answers its heap's size. */
const cycle = (page, model, close) =>
  page.evaluate(
    async ([url, closes]) => {
      const engine = await window.tabmind.load(url, { cache: "none" });
      await engine.completions.create({ prompt: "the", max_tokens: 8, ignore_eos: true });
      const { heapBytes } = await engine.stats();
      if (closes) await engine.close();
      else window.engine = engine;
      return heapBytes;
    },
    [model, close],
  );

const megabytes = (bytes) => `${(bytes / MiB).toFixed(1)} MiB`;

test("close() gives the memory back", { skip }, async (t) => {
  const bytes = writeGguf(tinyModel({ dim: 512, blocks: 12 }));
  const model = harness.made("large.gguf", bytes);
  const page = await harness.page(t);
  const measure = await meter(page);
  await cycle(page, model, true); // scripts, code and caches that stay are there from now on
  const before = await settled(measure, 0);
  const heapBytes = await cycle(page, model, false);
  assert.ok(heapBytes >= bytes.length, `stats() reports ${heapBytes} bytes for a model of ${bytes.length}`);
  const open = (await measure()).resident;
  assert.ok(open - before > bytes.length, `an open engine shows: ${megabytes(before)}, then ${megabytes(open)}`);
  await page.evaluate(() => window.engine.close());
  const allowed = before + heapBytes / 10;
  const after = await settled(measure, allowed);
  t.diagnostic(`before ${megabytes(before)}, open ${megabytes(open)}, after ${megabytes(after)}; heap ${megabytes(heapBytes)}`);
  assert.ok(after <= allowed, `${megabytes(after)} after close(), ${megabytes(before)} before`);
});

test("cycles of load and close do not grow the memory", { skip }, async (t) => {
  const model = harness.made("small.gguf", writeGguf(tinyModel({ dim: 256, blocks: 8 })));
  const page = await harness.page(t);
  const measure = await meter(page);
  let heapBytes = 0;
  // Something that a page's engines share, presumably their optimised code, grows by an engine's size in the first 50 cycles
  // and by nothing in the 100 after them.
  const warmUps = soak ? 50 : 20;
  for (let warmUp = 0; warmUp < warmUps; warmUp += 1) heapBytes = await cycle(page, model, true);
  const before = await settled(measure, 0);
  const heapBefore = (await measure()).heap;
  const cycles = soak ? 50 : 10;
  for (let count = 0; count < cycles; count += 1) await cycle(page, model, true);
  // One engine that stays behind would be more than this.
  const allowed = before + heapBytes / 2;
  const after = await settled(measure, allowed);
  const heapAfter = (await measure()).heap;
  t.diagnostic(`${cycles} cycles: ${megabytes(before)}, then ${megabytes(after)}; an engine's heap is ${megabytes(heapBytes)}`);
  t.diagnostic(`the page's own heap: ${heapBefore}, then ${heapAfter} bytes`);
  assert.ok(after <= allowed, `${megabytes(before)} became ${megabytes(after)}`);
  // Compiled code and the like take some 64 KB, whatever the number of cycles.
  assert.ok(heapAfter - heapBefore < 128 * 1024, `the page's heap grew from ${heapBefore} to ${heapAfter} bytes`);
});

/** Loads with the cache, as a page would; answers the heap's size. */
const loadCached = (page, url, backend) =>
  page.evaluate(
    async ([path, wanted]) => {
      const engine = await window.tabmind.load(path, { contextLength: 64, backend: wanted });
      const { heapBytes } = await engine.stats();
      await engine.close();
      return { heapBytes, cached: engine.info.cached, backend: engine.info.backend };
    },
    [url, backend],
  );

/**
 * Watches the JavaScript heaps of a page's workers, with the buffers they hold: calls `seen` with their sum, as often as
 * they answer. Answers a function that ends it.
 */
async function watchWorkers(page, seen) {
  const session = await page.context().newCDPSession(page);
  const sizes = new Map();
  const ask = (sessionId) => session.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id: 1, method: "Runtime.getHeapUsage" }) }).catch(() => {});
  session.on("Target.attachedToTarget", ({ sessionId }) => void ask(sessionId));
  session.on("Target.detachedFromTarget", ({ sessionId }) => sizes.delete(sessionId));
  session.on("Target.receivedMessageFromTarget", ({ sessionId, message }) => {
    const { result } = JSON.parse(message);
    if (result === undefined) return;
    sizes.set(sessionId, result);
    seen([...sizes.values()]);
    setTimeout(() => void ask(sessionId), 20);
  });
  await session.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  return () => session.detach();
}

/** By how much a model of so many bytes may grow the wasm heap. */
const allowance = { cpu: (bytes) => 1.15 * bytes, webgpu: () => 64 * MiB };

for (const [backend, allowed] of Object.entries(allowance)) {
  test(`loading for ${backend} takes ${backend === "cpu" ? "the weights and " : ""}little of the wasm heap and of the JavaScript heap`, { timeout: 120_000 }, async (t) => {
    const bytes = writeGguf(tinyModel({ dim: 1024, blocks: soak ? 7 : 2 }));
    const url = harness.made("whole.gguf", bytes);
    const context = await harness.browser.newContext();
    t.after(() => context.close());
    const page = await harness.page(t, "", context);
    const empty = await loadCached(page, harness.made("empty.gguf", writeGguf(tinyModel())), backend);
    for (const cached of [false, true]) {
      let peak = 0;
      let answers = 0;
      const end = await watchWorkers(page, (heaps) => {
        answers += 1;
        peak = Math.max(peak, heaps.reduce((sum, { usedSize, embedderHeapUsedSize, backingStorageSize }) => sum + usedSize + embedderHeapUsedSize + backingStorageSize, 0));
      });
      const loaded = await loadCached(page, url, backend);
      await end();
      t.diagnostic(`the workers' JavaScript heaps: ${megabytes(peak)} at most in ${answers} answers`);
      assert.ok(answers > 5, `the workers answered ${answers} times`);
      assert.ok(peak > 0 && peak <= 64 * MiB, `the JavaScript heaps grew to ${megabytes(peak)}`);
      assert.equal(loaded.cached, cached);
      assert.equal(loaded.backend, backend);
      const grown = loaded.heapBytes - empty.heapBytes;
      t.diagnostic(`${cached ? "from the cache" : "downloaded"}: ${megabytes(bytes.length)} of weights, the wasm heap grew by ${megabytes(grown)} (${(grown / bytes.length).toFixed(3)})`);
      assert.ok(grown <= allowed(bytes.length), `the wasm heap grew by ${megabytes(grown)}`);
    }
  });
}
