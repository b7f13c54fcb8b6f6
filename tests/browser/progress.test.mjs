// What a page learns while a model loads: numbers that only grow, add up and come often, from the network and from the
// cache, for one file and for several.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createFaults } from "./faults.mjs";
import { splitGguf, tinyModel, writeGguf } from "./gguf-writer.mjs";
import { useHarness } from "./harness.mjs";

const model = tinyModel({ dim: 256, blocks: 3 });
const files = { "whole.gguf": writeGguf(model) };
for (const [index, part] of splitGguf(model, [8, 20]).entries()) files[`part-0000${index + 1}-of-00003.gguf`] = part;
const servers = new Map(Object.entries(files).map(([name, bytes]) => [name, createFaults(bytes)]));
const harness = useHarness({ handle: (request, response, path) => servers.get(path.split("/").at(-1))?.handle(request, response, path) ?? false });

/** Loads, and answers what was told, when, and what the model writes. */
const load = (page, urls, options = {}) =>
  page.evaluate(async ([sources, wanted]) => {
    const told = [];
    const began = performance.now();
    const engine = await window.tabmind.load(sources, { ...wanted, onProgress: (progress) => told.push({ ...progress, at: performance.now() - began }) });
    const { choices } = await engine.completions.create({ prompt: "the", max_tokens: 8, temperature: 0, return_token_ids: true });
    await engine.close();
    return { told, cached: engine.info.cached, ids: choices[0].token_ids };
  }, [urls, options]);

/** Holds what was told against the rules; answers the silences between events, in milliseconds, the shortest first. */
function check(told, phase, total, afterwards = ["verify", "ready"]) {
  assert.deepEqual([...new Set(told.map((progress) => progress.phase))], [phase, ...afterwards]);
  assert.deepEqual([...new Set(told.map((progress) => progress.total))], [total], "the total is that of all files, from the beginning");
  const loaded = told.map((progress) => progress.loaded);
  assert.deepEqual(loaded, loaded.toSorted((a, b) => a - b), "never back");
  assert.equal(loaded.at(-1), total);
  assert.equal(told.findLast((progress) => progress.phase === phase).loaded, total, "all of it, before it is ready");
  return told.slice(1).map(({ at }, index) => at - told[index].at).toSorted((a, b) => a - b);
}

const sources = { "one file": ["whole.gguf"], "three files": Object.keys(files).slice(1) };
for (const [name, names] of Object.entries(sources)) {
  test(`${name}: downloaded, then from the cache`, async (t) => {
    const context = await harness.browser.newContext();
    t.after(() => context.close());
    const page = await harness.page(t, "", context);
    const urls = names.map((file) => `/faults/slow/${file}`);
    const total = names.reduce((sum, file) => sum + files[file].length, 0);
    const first = await load(page, urls);
    const silences = check(first.told, "download", total);
    const most = silences[Math.floor(silences.length * 0.8)];
    t.diagnostic(`${first.told.length} events; between two ${silences.at(-1).toFixed(0)} ms at most, ${most.toFixed(0)} in four of five cases`);
    // At least each 250 ms; a machine that does ten things at once is late now and then.
    assert.ok(first.told.length > 10 && most <= 250 && silences.at(-1) < 1000, `${silences.at(-1)} ms of silence, ${most} in four of five cases`);
    const again = await load(page, urls);
    check(again.told, "cache", total);
    assert.deepEqual([first.cached, again.cached], [false, true]);
    assert.deepEqual(again.ids, first.ids);
    for (const [index, file] of names.entries()) {
      const fetched = servers.get(file).requests(urls[index]).filter(({ method }) => method === "GET");
      assert.equal(fetched.reduce((sum, { sent }) => sum + sent, 0), files[file].length, `${file} was fetched once`);
    }
  });
}

test("on the GPU a last phase waits for its compiler", async (t) => {
  const page = await harness.page(t);
  const { told } = await load(page, "/faults/none/whole.gguf", { backend: "webgpu", cache: "none" });
  check(told, "download", files["whole.gguf"].length, ["verify", "compile", "ready"]);
});
