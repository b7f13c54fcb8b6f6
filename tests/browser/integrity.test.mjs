// The sha256 option: other bytes are refused before load() resolves, and nothing is fetched twice for its sake.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertError, useHarness } from "./harness.mjs";

const harness = useHarness();
// Several pieces long, and with a tensor that nobody loads.
const gguf = tinyModel({ dim: 256, blocks: 3 });
gguf.tensors.splice(9, 0, { name: "unused.weight", dims: [1000], type: 0, bytes: new Uint8Array(4000).fill(7) });
const model = writeGguf(gguf);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Loads by URL or as a File; answers the engine's info and the bytes that arrived, or the error. */
async function load(t, bytes, options, asFile = false) {
  const page = await harness.page(t);
  const url = harness.made("model.gguf", bytes);
  return page.evaluate(
    async ([path, loadOptions, file]) => {
      const source = file ? new File([await (await fetch(path)).blob()], "model.gguf") : path;
      return window.outcome(async () => {
        const engine = await window.tabmind.load(source, { cache: "none", ...loadOptions });
        const arrived = engine.networkRequests().filter(({ url: requested }) => requested.endsWith(path));
        await engine.close();
        return { info: engine.info, bytes: arrived.reduce((sum, request) => sum + request.bytes, 0) };
      });
    },
    [url, options, asFile],
  );
}

for (const asFile of [false, true]) {
  const how = asFile ? "as a File" : "by URL";
  test(`the right hash ${how}`, async (t) => {
    const { value, error } = await load(t, model, { sha256: sha256(model).toUpperCase() }, asFile);
    assert.equal(error, undefined);
    assert.equal(value.info.sha256, sha256(model));
    if (!asFile) assert.equal(value.bytes, model.length, "each byte once");
  });

  test(`another hash ${how}`, async (t) => {
    const outcome = await load(t, model, { sha256: "0".repeat(64) }, asFile);
    assertError(outcome, "hash_mismatch", new RegExp(`${sha256(model)}.*${"0".repeat(64)}`, "u"));
    assert.match(outcome.error.hint, /sha256/u);
  });

  test(`one bit of the weights, or of bytes that nobody loads, ${how}`, async (t) => {
    for (const at of [model.length - 1, model.indexOf(Buffer.alloc(4000, 7)) + 2000]) {
      const flipped = Buffer.from(model);
      flipped[at] ^= 1;
      assertError(await load(t, flipped, { sha256: sha256(model) }, asFile), "hash_mismatch", new RegExp(sha256(flipped), "u"));
    }
  });
}

test("without the option nothing is hashed", async (t) => {
  const { value } = await load(t, model, {});
  assert.equal(value.info.sha256, null);
});

test("what is no hash, and a hash for several files", async (t) => {
  assertError(await load(t, model, { sha256: "abc" }), "invalid_request", /sha256.*64/u);
  const page = await harness.page(t);
  const url = harness.made("model.gguf", model);
  const outcome = await page.evaluate(
    ([path, hash]) => window.outcome(() => window.tabmind.load([path, path], { cache: "none", sha256: hash })),
    [url, sha256(model)],
  );
  assertError(outcome, "invalid_request", /several files/u);
});
