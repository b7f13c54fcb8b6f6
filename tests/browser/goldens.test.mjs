// Greedy decoding through the package, in each of its builds, equals ids that were computed in float64, outside of this
// project's code.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assets, builds, optionsOf, useHarness, withoutAssets } from "./harness.mjs";

const harness = useHarness();

const models = {
  stories260K: { f32: "stories260K", q8_0: "stories260K-q8_0", q4_0: "stories260K-q4_0" },
  "tinystories-656K": Object.fromEntries(
    ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"].map((format) => [format, `tinystories-656K-${format}`]),
  ),
};
const floats = new Set(["f32", "f16", "bf16"]);

/** Fails unless the first `count` of `ids` are the golden ones; says where they part. */
function assertPrefix(ids, golden, count, what) {
  const at = golden.slice(0, count).findIndex((id, index) => id !== ids[index]);
  assert.equal(at, -1, `${what}: id ${at} of ${count} is ${ids[at]}, the golden one ${golden[at]}`);
}

test("the comparison can fail", () => {
  assert.throws(() => assertPrefix([1, 2, 4], [1, 2, 3], 3, "x"), /id 2 of 3 is 4, the golden one 3/u);
  assert.throws(() => assertPrefix([1], [1, 2], 2, "x"), /id 1 of 2 is undefined/u);
  assertPrefix([1, 2, 4], [1, 2, 3], 2, "x");
});

for (const [model, variants] of Object.entries(models)) {
  for (const [format, file] of Object.entries(variants)) {
    test(`${file}: greedy ids are the golden ids`, { skip: withoutAssets }, async (t) => {
      const golden = JSON.parse(readFileSync(join(assets, "goldens", "models", `${model}.json`), "utf8")).variants[format];
      // An engine that quantises activations, as llama.cpp does, may leave the float64 ids where llama.cpp did.
      const stable = floats.has(format) ? golden.greedy_ids.length : golden.llama_cpp_check.matching_prefix;
      const page = await harness.page(t);
      const answers = await page.evaluate(
        async ({ url, all, prompt, prompt_ids, max_tokens }) => {
          const results = [];
          for (const options of all) {
            const engine = await window.tabmind.load(url, options);
            const answer = async (from) => {
              const params = { max_tokens, temperature: 0, ignore_eos: true, return_token_ids: true };
              return (await engine.completions.create({ prompt: from, ...params })).choices[0];
            };
            results.push({ text: await answer(prompt), ids: await answer(prompt_ids), promptIds: await engine.tokenize(prompt, { addSpecial: true }) });
            await engine.close();
          }
          return results;
        },
        { url: `/weights/${model}/${file}.gguf`, all: builds.map((build) => optionsOf(build)), prompt: golden.prompt, prompt_ids: golden.prompt_ids, max_tokens: golden.greedy_ids.length },
      );
      for (const [index, { text, ids, promptIds }] of answers.entries()) {
        const build = builds[index];
        assert.deepEqual(promptIds, golden.prompt_ids, `${build}: the prompt's ids`);
        assertPrefix(text.token_ids, golden.greedy_ids, stable, `${build}, from text`);
        assertPrefix(ids.token_ids, golden.greedy_ids, stable, `${build}, from ids`);
        if (floats.has(format) && model === "stories260K") assert.equal(text.text, golden.text);
        const same = text.token_ids.findIndex((id, at) => id !== golden.greedy_ids[at]);
        t.diagnostic(`${build}: ${same === -1 ? golden.greedy_ids.length : same} of ${golden.greedy_ids.length} ids equal, ${stable} required`);
      }
    });
  }
}
