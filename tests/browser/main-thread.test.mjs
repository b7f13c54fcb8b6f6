// The page's main thread stays free while a model loads and writes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { useHarness } from "./harness.mjs";

const harness = useHarness();

/**
 * Runs `work` in the page; answers its long tasks, in ms. A busy machine stretches tasks, code that blocks does so
 * every time: of three attempts the best counts.
 */
async function longTasks(page, work) {
  let best;
  for (let attempt = 0; attempt < 3 && best?.length !== 0; attempt += 1) {
    const tasks = await observe(page, work);
    if (best === undefined || tasks.length < best.length) best = tasks;
  }
  return best;
}

async function observe(page, work) {
  return page.evaluate(async (source) => {
    const tasks = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
    observer.observe({ type: "longtask" });
    const settle = () => new Promise((resolve) => setTimeout(resolve, 150));
    await settle();
    tasks.length = 0; // the page's own start is not ours
    // eslint-disable-next-line no-eval -- the work is given as text, to run in the page
    await (0, eval)(`(${source})`)();
    await settle();
    observer.disconnect();
    return tasks;
  }, String(work));
}

test("the observer sees a task that blocks", async (t) => {
  const page = await harness.page(t);
  const tasks = await longTasks(page, async () => {
    await new Promise((resolve) => setTimeout(resolve));
    const end = performance.now() + 80;
    while (performance.now() < end);
  });
  assert.ok(tasks.some((duration) => duration >= 70), `found ${JSON.stringify(tasks)}`);
});

test("no task of 50 ms while loading and writing, whole and streamed", async (t) => {
  const path = harness.made("model.gguf", writeGguf(tinyModel({ dim: 256, blocks: 4, contextLength: 1024 })));
  const page = await harness.page(t, `?model=${path}`);
  const tasks = await longTasks(page, async () => {
    const { load } = window.tabmind;
    const model = new URL(location.href).searchParams.get("model");
    const bytes = new Uint8Array(await (await fetch(model)).arrayBuffer());
    for (const source of [model, bytes]) {
      const engine = await load(source, { cache: "none" });
      const params = { prompt: "the ".repeat(100), max_tokens: 200, ignore_eos: true };
      await engine.completions.create(params);
      for await (const chunk of await engine.completions.create({ ...params, stream: true })) document.body.append(chunk.choices[0].text);
      await engine.close();
    }
  });
  assert.deepEqual(tasks, []);
});

test("a large byte array is copied without blocking the page", async (t) => {
  const page = await harness.page(t);
  const tasks = await longTasks(page, async () => {
    // Not a model: the copy is what is measured, and it comes before the refusal.
    const bytes = new Uint8Array(512 << 20);
    const outcome = await window.outcome(() => window.tabmind.load(bytes, { cache: "none" }));
    if (outcome.error?.code !== "not_gguf") throw new Error(JSON.stringify(outcome));
  });
  assert.deepEqual(tasks, []);
});
