// Vectors of texts, through the package and through OpenAI's client, of a small random encoder.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tinyEncoder, tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertAborted, assertError, useHarness } from "./harness.mjs";

const harness = useHarness();

test("embeddings: shape, length, order, and the same by OpenAI's client", async (t) => {
  const page = await harness.page(t);
  const seen = await page.evaluate(async (url) => {
    const { default: OpenAI } = await import("openai");
    const { createFetch } = await import("tabmind/openai");
    const engine = await window.tabmind.load(url, { cache: "none" });
    window.engine = engine;
    const client = new OpenAI({ apiKey: "none", baseURL: "https://example.org/v1", fetch: createFetch(engine), dangerouslyAllowBrowser: true });
    const input = ["a", "b c", "a"];
    return {
      info: engine.info,
      ours: await engine.embeddings.create({ input }),
      single: await engine.embeddings.create({ input: "b c" }),
      theirs: await client.embeddings.create({ model: "any", input }),
      estimate: await window.tabmind.estimate(url),
    };
  }, harness.made("encoder.gguf", writeGguf(tinyEncoder())));
  const { info, ours, single, theirs, estimate } = seen;
  assert.deepEqual([info.architecture, info.contextLength, info.hasChatTemplate], ["bert", 8, false]);
  assert.ok(estimate.fits && estimate.memoryBytes.weights > 0);
  assert.deepEqual([ours.object, ours.model, ours.usage], ["list", info.name, { prompt_tokens: 10, total_tokens: 10 }]);
  assert.deepEqual(ours.data.map(({ object, index }) => [object, index]), [["embedding", 0], ["embedding", 1], ["embedding", 2]]);
  for (const { embedding } of ours.data) {
    assert.equal(embedding.length, 8);
    assert.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-6);
  }
  const [first, second, third] = ours.data.map(({ embedding }) => embedding);
  assert.deepEqual(third, first);
  assert.notDeepEqual(second, first);
  assert.deepEqual(single.data[0].embedding, second);
  // The client asks for base64 and turns it into floats of 32 bits.
  assert.deepEqual(theirs.data.map(({ embedding }) => embedding.map((value) => Math.fround(value))), ours.data.map(({ embedding }) => embedding.map((value) => Math.fround(value))));
});

test("embeddings: models that write give their last token's vector, or what their file says", async (t) => {
  const page = await harness.page(t);
  const pooled = (type) => {
    const model = tinyModel();
    model.metadata.set("llama.pooling_type", { type: "u32", value: type });
    return harness.made(`pooled-${type}.gguf`, writeGguf(model));
  };
  const seen = await page.evaluate(async (urls) => {
    const vectors = {};
    for (const [name, url] of Object.entries(urls)) {
      const engine = await window.tabmind.load(url, { cache: "none" });
      const { value, ...outcome } = await window.outcome(() => engine.embeddings.create({ input: ["one text", "one", "another text"] }));
      vectors[name] = value ? value.data.map(({ embedding }) => embedding) : outcome;
      vectors[`${name} again`] = (await engine.completions.create({ prompt: "a", max_tokens: 2 })).usage.completion_tokens;
      await engine.close();
    }
    return vectors;
  }, { plain: harness.made("writer.gguf", writeGguf(tinyModel())), mean: pooled(1), first: pooled(2), last: pooled(3), rank: pooled(4) });
  const product = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
  for (const name of ["plain", "mean", "first", "last"]) {
    assert.deepEqual(seen[name].map((vector) => vector.length), [32, 32, 32]);
    for (const vector of seen[name]) assert.ok(Math.abs(product(vector, vector) - 1) < 1e-5, name);
  }
  assert.deepEqual(seen.plain, seen.last);
  assert.ok(product(seen.mean[0], seen.last[0]) < 0.999 && product(seen.first[0], seen.last[0]) < 0.999);
  // What a token sees is what stands before it: texts that begin alike have the same first vector.
  assert.ok(product(seen.first[0], seen.first[1]) > 0.9999 && product(seen.last[0], seen.last[1]) < 0.999);
  assertError(seen.rank, "invalid_request", /ranks texts/u);
  assert.equal(seen["rank again"], 2, "the engine stays usable");
});

test("embeddings: what is wrong is named", async (t) => {
  const page = await harness.page(t);
  const outcomes = await page.evaluate(async (encoder) => {
    const engine = await window.tabmind.load(encoder, { cache: "none" });
    const embed = (params, options) => window.outcome(() => engine.embeddings.create(params, options));
    return {
      format: await embed({ input: "a", encoding_format: "hex" }),
      empty: await embed({ input: ["a", ""] }),
      long: await embed({ input: "a b a b a b a b" }),
      unknown: await embed({ input: "a", normalize: false }),
      aborted: await embed({ input: "a" }, { signal: AbortSignal.abort() }),
      writes: await window.outcome(() => engine.completions.create({ prompt: "a" })),
      well: (await embed({ input: "a" })).value.data.length,
    };
  }, harness.made("encoder.gguf", writeGguf(tinyEncoder())));
  assertError(outcomes.format, "invalid_request", /^encoding_format: expected "float" or "base64", found "hex"$/u);
  assertError(outcomes.empty, "invalid_request", /^input\[1\] is empty$/u);
  assertError(outcomes.long, "context_overflow", /^input\[0\]: the text has 10 tokens, the model reads 8$/u);
  assertError(outcomes.unknown, "invalid_request", /normalize/u);
  assertAborted(outcomes.aborted);
  assertError(outcomes.writes, "invalid_request", /is an encoder/u);
  assert.equal(outcomes.well, 1, "the engine stays usable");
});
