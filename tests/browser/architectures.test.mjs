// Every architecture of the shared goldens, through the package, in the browser: log-probabilities of the prompt and greedy ids.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assets, useHarness, withoutAssets } from "./harness.mjs";

const harness = useHarness();
const folder = assets && join(assets, "arch");
const names = folder && existsSync(folder) ? readdirSync(folder).flatMap((file) => (file.endsWith(".gguf") ? [file.slice(0, -5)] : [])) : [];

// The native tests' table (tests/common/tolerance.rs), with its reasons.
const F32_LOGITS = 1e-3;
const Q8_ACTIVATIONS = { max: 0.8, mean: 0.16 };

/** Distances of log-probabilities from those that the golden logits give for `ids`. */
function distances(logprobs, ids, logits, vocab) {
  const all = logprobs.map((found, index) => {
    const row = logits.subarray(index * vocab, (index + 1) * vocab);
    const max = Math.max(...row);
    const sum = row.reduce((total, logit) => total + Math.exp(logit - max), 0);
    return Math.abs(found - (row[ids[index + 1]] - max - Math.log(sum)));
  });
  return { max: Math.max(...all), mean: all.reduce((a, b) => a + b) / all.length };
}

test("the comparison can fail", () => {
  const { max, mean } = distances([Math.log(0.5), 0], [0, 1, 1], new Float32Array(4), 2);
  assert.ok(max > 0.69 && mean > 0.34 && mean < 0.35, `${max}, ${mean}`);
});

test("every architecture: log-probabilities and greedy ids", { skip: withoutAssets }, async (t) => {
  assert.ok(names.length >= 51, `the goldens are complete: ${names.length}`);
  const page = await harness.page(t);
  for (const name of names) {
    const golden = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
    const bytes = readFileSync(join(folder, `${name}.logits.f32.bin`));
    const logits = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const found = await page.evaluate(
      async ({ url, prompt }) => {
        const engine = await window.tabmind.load(url, { cache: "none", backend: "cpu" });
        const score = await engine.score(prompt);
        const params = { prompt, max_tokens: 32, temperature: 0, ignore_eos: true, return_token_ids: true };
        const ids = (await engine.completions.create(params)).choices[0].token_ids;
        await engine.close();
        return { score, ids };
      },
      { url: `/arch/${name}.gguf`, prompt: golden.prompt_ids },
    );
    const { max, mean } = distances(found.score.logprobs, golden.prompt_ids, logits, logits.length / golden.prompt_ids.length);
    const exact = !golden.quant.startsWith("Q");
    assert.ok(max <= (exact ? 2 * F32_LOGITS : Q8_ACTIVATIONS.max), `${name}: log-probabilities are off by ${max}`);
    assert.ok(mean <= (exact ? F32_LOGITS : Q8_ACTIVATIONS.mean), `${name}: log-probabilities are off by ${mean} on average`);
    if (exact) assert.deepEqual(found.ids, golden.greedy_ids, name);
  }
  t.diagnostic(`${names.length} models`);
});

// The trained models' logits at every position of a fixed text, as the goldens' notes ask.
for (const model of ["stories260K", "tinystories-656K"]) {
  test(`${model}: log-probabilities of the evaluation text`, { skip: withoutAssets }, async (t) => {
    const goldens = join(assets, "goldens", "models");
    const golden = JSON.parse(readFileSync(join(goldens, `${model}.json`), "utf8")).variants.f32;
    const bytes = readFileSync(join(goldens, `${model}.eval_logits.f32.bin`));
    const logits = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const file = model === "stories260K" ? "stories260K" : "tinystories-656K-f32";
    const page = await harness.page(t);
    const { score, text } = await page.evaluate(
      async ({ url, ids }) => {
        const engine = await window.tabmind.load(url, { cache: "none" });
        const result = { score: await engine.score(ids), text: await engine.score("Once upon a time") };
        await engine.close();
        return result;
      },
      { url: `/weights/${model}/${file}.gguf`, ids: golden.eval_ids },
    );
    const { max } = distances(score.logprobs, golden.eval_ids, logits, logits.length / golden.eval_ids.length);
    assert.ok(max <= 2 * F32_LOGITS, `log-probabilities are off by ${max}`);
    assert.deepEqual(text.ids, golden.prompt_ids.slice(1), "a text is scored with its BOS token");
    t.diagnostic(`off by ${max.toExponential(1)}; perplexity ${score.perplexity.toFixed(4)}, the golden one ${golden.eval_ppl.toFixed(4)}`);
  });
}
