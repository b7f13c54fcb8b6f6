// What structured output costs: the same model writes the same number of tokens with a schema and without, in turns,
// in headless Chromium. `node tools/bench-constraint.mjs MODEL [--tokens 128] [--turns 5] [--json]`
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { openPackagePage } from "./page.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tokens: { type: "string", default: "128" }, turns: { type: "string", default: "5" }, json: { type: "boolean", default: false } },
});
const [model] = positionals;
if (model === undefined) throw new Error("usage: node tools/bench-constraint.mjs MODEL [--tokens N] [--turns N] [--json]");

/** Records of text and numbers; as many as there is room for. */
const schema = {
  type: "array",
  minItems: 1000,
  items: {
    type: "object",
    properties: {
      name: { type: "string", minLength: 1, maxLength: 60 },
      role: { enum: ["reader", "writer", "administrator"] },
      age: { type: "integer", minimum: 0, maximum: 120 },
      active: { type: "boolean" },
      notes: { type: "array", maxItems: 4, items: { type: "string", maxLength: 80 } },
    },
    required: ["name", "role", "age", "active", "notes"],
    additionalProperties: false,
  },
};

/** Runs in the page: one answer of `tokens` tokens. */
async function answer({ tokens, response_format, seed }) {
  const params = { prompt: "List all users.", max_tokens: tokens, ignore_eos: true, temperature: 1, seed, ...(response_format && { response_format }) };
  const { timings, usage } = await globalThis.engine.completions.create(params);
  return { ...timings, completion_tokens: usage.completion_tokens };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

const { page, close } = await openPackagePage({ models: [model] });
try {
  await page.evaluate(async (url) => {
    const { load } = await import("/pkg/index.js");
    globalThis.engine = await load(new URL(url, location.href), { cache: "none" });
  }, `models/${encodeURIComponent(basename(model))}`);
  const tokens = Number(values.tokens);
  const response_format = { type: "json_schema", json_schema: { name: "users", schema } };
  const first = await page.evaluate(answer, { tokens: 8, response_format, seed: 0 });
  await page.evaluate(answer, { tokens: 8, seed: 0 });
  const turns = [];
  for (let seed = 1; seed <= Number(values.turns); seed += 1) {
    turns.push({ with: await page.evaluate(answer, { tokens, response_format, seed }), without: await page.evaluate(answer, { tokens, seed }) });
  }
  const rate = (kind) => median(turns.map((turn) => turn[kind].decode_per_second));
  const constraints = turns.map((turn) => turn.with.constraint);
  const result = {
    model: basename(model),
    tokens,
    turns: turns.length,
    with_schema_per_second: rate("with"),
    without_per_second: rate("without"),
    ratio: median(turns.map((turn) => turn.with.decode_per_second / turn.without.decode_per_second)),
    mask_ms: median(constraints.map(({ mask_ms, masks }) => mask_ms / masks)),
    forced_share: median(turns.map((turn) => turn.with.constraint.forced_tokens / turn.with.completion_tokens)),
    first_compile_ms: first.constraint.compile_ms,
    next_compile_ms: median(constraints.map(({ compile_ms }) => compile_ms)),
  };
  if (values.json) console.log(JSON.stringify(result, null, 2));
  else for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(24)} ${typeof value === "number" && !Number.isInteger(value) ? value.toFixed(3) : value}`);
} finally {
  await close();
}
