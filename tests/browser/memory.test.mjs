// After close() the memory is back, and cycles of load and close do not grow it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { soak, useHarness } from "./harness.mjs";

// Without the flag the browser waits up to 20 s for a garbage collection before it measures.
const harness = useHarness({ args: ["--enable-blink-features=ForceEagerMeasureMemory"] });
const MiB = 1 << 20;

/** Bytes of the page and its workers. */
const measure = (page) =>
  page.evaluate(async () => {
    const { bytes } = await performance.measureUserAgentSpecificMemory();
    return bytes;
  });

/** Memory after garbage collection, which a few measurements may have to wait for. */
async function settled(page, enough) {
  let least = Infinity;
  for (let attempt = 0; attempt < 20; attempt += 1) {
    least = Math.min(least, await measure(page));
    if (least <= enough) break;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return least;
}

/** Loads, writes a little, and leaves the engine open or closes it. */
const cycle = (page, model, close) =>
  page.evaluate(
    async ([url, closes]) => {
      const engine = await window.tabmind.load(url, { cache: "none" });
      await engine.completions.create({ prompt: "the", max_tokens: 8, ignore_eos: true });
      if (closes) await engine.close();
      else window.engine = engine;
      return (await window.outcome(() => engine.stats())).value?.heapBytes;
    },
    [model, close],
  );

test("close() gives the memory back", async (t) => {
  const bytes = writeGguf(tinyModel({ dim: 512, blocks: 8 }));
  const model = harness.made("large.gguf", bytes);
  const page = await harness.page(t);
  await cycle(page, model, true); // scripts and caches that stay are there from now on
  const before = await settled(page, 0);
  const heapBytes = await cycle(page, model, false);
  assert.ok(heapBytes >= bytes.length / 4, `stats() reports a heap of ${heapBytes} bytes`);
  const open = await measure(page);
  assert.ok(open - before > bytes.length / 2, `an open engine shows in the measurement: ${before} then ${open} bytes`);
  await page.evaluate(() => window.engine.close());
  const after = await settled(page, before + MiB);
  t.diagnostic(`MiB before ${before / MiB}, open ${open / MiB}, after ${after / MiB}`);
  assert.ok(after <= before + MiB, `${after} bytes after close(), ${before} before`);
});

test("cycles of load and close do not grow the memory", async (t) => {
  const model = harness.made("small.gguf", writeGguf(tinyModel({ dim: 256, blocks: 4 })));
  const page = await harness.page(t);
  for (let warmUp = 0; warmUp < 3; warmUp += 1) await cycle(page, model, true);
  const before = await settled(page, 0);
  for (let count = 0; count < (soak ? 50 : 10); count += 1) await cycle(page, model, true);
  const after = await settled(page, before + MiB / 2);
  t.diagnostic(`MiB before ${before / MiB}, after ${after / MiB}`);
  assert.ok(after <= before + MiB / 2, `${before} bytes became ${after}`);
});
