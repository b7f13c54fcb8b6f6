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

test("embeddings: what is wrong is named, and models that write have none", async (t) => {
  const page = await harness.page(t);
  const outcomes = await page.evaluate(async ([encoder, writer]) => {
    const engine = await window.tabmind.load(encoder, { cache: "none" });
    const embed = (params, options) => window.outcome(() => engine.embeddings.create(params, options));
    const other = await window.tabmind.load(writer, { cache: "none" });
    return {
      format: await embed({ input: "a", encoding_format: "hex" }),
      empty: await embed({ input: ["a", ""] }),
      long: await embed({ input: "a b a b a b a b" }),
      unknown: await embed({ input: "a", normalize: false }),
      aborted: await embed({ input: "a" }, { signal: AbortSignal.abort() }),
      writes: await window.outcome(() => engine.completions.create({ prompt: "a" })),
      reads: await window.outcome(() => other.embeddings.create({ input: "a" })),
      well: (await embed({ input: "a" })).value.data.length,
    };
  }, [harness.made("encoder.gguf", writeGguf(tinyEncoder())), harness.made("writer.gguf", writeGguf(tinyModel()))]);
  assertError(outcomes.format, "invalid_request", /^encoding_format: expected "float" or "base64", found "hex"$/u);
  assertError(outcomes.empty, "invalid_request", /^input\[1\] is empty$/u);
  assertError(outcomes.long, "context_overflow", /^input\[0\]: the text has 10 tokens, the model reads 8$/u);
  assertError(outcomes.unknown, "invalid_request", /normalize/u);
  assertAborted(outcomes.aborted);
  assertError(outcomes.writes, "invalid_request", /is an encoder/u);
  assertError(outcomes.reads, "invalid_request", /no embeddings/u);
  assert.equal(outcomes.well, 1, "the engine stays usable");
});
