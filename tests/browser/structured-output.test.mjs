// response_format: what a model with random weights says at temperature 1.5 keeps to the form that was asked for,
// and what cannot be kept to is an error before anything is generated.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertError, soak, useHarness } from "./harness.mjs";
import { schemas } from "./structured-output-schemas.mjs";

const harness = useHarness();
const messages = [{ role: "user", content: "Say something." }];
const schema = (value, name = "answer") => ({ type: "json_schema", json_schema: { name, schema: value, strict: true } });

/** A page with the small model loaded as `engine`. */
async function loaded(t, options = {}) {
  const page = await harness.page(t);
  const url = harness.made(`structured-${options.contextLength ?? 256}.gguf`, writeGguf(tinyModel(options)));
  await page.evaluate(async (model) => (window.engine = await tabmind.load(model)), url);
  return page;
}

/** What `create` resolves to, or its error. */
const create = (page, params) => {
  // As text: playwright does not carry what is nested deeply.
  const json = JSON.stringify({ messages, temperature: 1.5, seed: 1, ...params });
  return page.evaluate((text) => outcome(() => engine.chat.completions.create(JSON.parse(text))), json);
};

test("each kind of response_format is kept to", async (t) => {
  const page = await loaded(t);
  const text = async (response_format) => {
    const { value, error } = await create(page, { response_format });
    assert.equal(error, undefined, JSON.stringify(error));
    const [choice] = value.choices;
    assert.equal(choice.finish_reason, "stop", choice.message.content);
    const { compile_ms, mask_ms, masks, forced_tokens } = value.timings.constraint;
    assert.ok(compile_ms >= 0 && mask_ms >= 0, "times are measured");
    assert.ok(masks + forced_tokens >= value.usage.completion_tokens, "every token was drawn or forced");
    return choice.message.content;
  };
  assert.match(await text({ type: "regex", regex: "[1-9][0-9]{2} (cm|mm)" }), /^[1-9]\d{2} (cm|mm)$/u);
  assert.match(await text({ type: "grammar", grammar: 'start: /[0-9]/ ("+" /[0-9]/){1,3}' }), /^\d(\+\d){1,3}$/u);
  const size = { type: "object", properties: { width: { type: "integer", minimum: 1, maximum: 99 }, unit: { enum: ["cm", "mm"] } }, required: ["width", "unit"], additionalProperties: false };
  const { width, unit } = JSON.parse(await text(schema(size)));
  assert.ok(width >= 1 && width <= 99 && ["cm", "mm"].includes(unit));
});

test("json_object is an object, or says length", async (t) => {
  const page = await loaded(t);
  for (const seed of [1, 2, 3, 4]) {
    const { value } = await create(page, { response_format: { type: "json_object" }, seed, max_tokens: 150 });
    const [choice] = value.choices;
    assert.ok(choice.message.content.startsWith("{"), choice.message.content);
    if (choice.finish_reason === "stop") assert.equal(typeof JSON.parse(choice.message.content), "object");
    else assert.equal(choice.finish_reason, "length");
  }
});

test("streams and several answers keep to it too", async (t) => {
  const page = await loaded(t);
  const response_format = { type: "regex", regex: "(yes|no), (surely|never)\\." };
  const chunks = await page.evaluate((all) => engine.chat.completions.create(all).then(collect), {
    messages, temperature: 1.5, seed: 5, n: 3, stream: true, response_format,
  });
  const texts = ["", "", ""];
  for (const { choices } of chunks) for (const { index, delta } of choices) texts[index] += delta.content ?? "";
  for (const text of texts) assert.match(text, /^(yes|no), (surely|never)\.$/u);
});

test("what must follow is neither drawn nor passed through one by one", async (t) => {
  const page = await loaded(t);
  const { value } = await create(page, { response_format: schema({ const: { greeting: "good morning to all of you" } }) });
  assert.deepEqual(JSON.parse(value.choices[0].message.content), { greeting: "good morning to all of you" });
  const { masks, forced_tokens } = value.timings.constraint;
  assert.ok(forced_tokens > 2 * masks, `${forced_tokens} forced, ${masks} drawn`);
});

test("a form that cannot be kept to is an error that names field, keyword and place", async (t) => {
  const page = await loaded(t);
  const chain = Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`d${n}`, { type: "object", properties: { next: { $ref: `#/$defs/d${n + 1}` } } }]));
  const nested = (depth) => (depth === 0 ? { type: "null" } : { type: "array", items: nested(depth - 1) });
  const cases = [
    [schema({ type: "array", uniqueItems: true }), "unsupported_schema", /json_schema\.schema: uniqueItems at #/u],
    [schema({ properties: { a: { contains: { type: "null" } } } }), "unsupported_schema", /contains at #\/properties\/a /u],
    [schema({ properties: { "a/b": { not: { pattern: "x" } } } }), "unsupported_schema", /not at #\/properties\/a~1b\/not/u],
    [schema({ $ref: "https://example.com/schema.json" }), "unsupported_schema", /\$ref at #.*not in the document/u],
    [schema({ type: "string", pattern: "(?=a)b" }), "unsupported_schema", /pattern at #.*looks around/u],
    [schema({ type: "object", minProperties: 3 }), "unsupported_schema", /minProperties at #/u],
    [schema({ $dynamicRef: "#x" }), "unsupported_schema", /\$dynamicRef at #/u],
    [schema({ type: "string", minLength: 3, maxLength: 2 }), "unsupported_schema", /minLength/u],
    [schema({ allOf: [{ type: "string" }, { type: "null" }] }), "unsupported_schema", /incompatible types/u],
    [schema({ type: "object", properties: { next: { $ref: "#" } }, required: ["next"] }), "unsupported_schema", /without end/u],
    [schema({ $ref: "#" }), "unsupported_schema", /without end/u],
    [schema({ $ref: "#/$defs/d0", $defs: { ...chain, d3000: { type: "null" } } }), "unsupported_schema", /too long a chain/u],
    [schema(nested(45)), null],
    [schema(nested(110)), "unsupported_schema", /too deep|too long/u],
    [schema({ properties: Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`p${n}`, { type: "string" }])) }), "unsupported_schema", /too large/u],
    [schema({ description: "x".repeat(2 ** 20) }), "unsupported_schema", /bytes are too many/u],
    [schema({ minLength: "é".repeat(60) }), "invalid_request", /minLength at # must be a non-negative integer/u],
    [schema({ type: "strng" }), "invalid_request", /type at # must be a type/u],
    [schema([]), "invalid_request", /a schema at # must be an object/u],
    [{ type: "json_schema" }, "invalid_request", /response_format\.json_schema is missing/u],
    [{ type: "json_schema", json_schema: { name: "x" } }, "invalid_request", /response_format\.json_schema\.schema is missing/u],
    [{ type: "json_schema", json_schema: { schema: {}, shema: {} } }, "invalid_request", /shema/u],
    [{ type: "regex", regex: "(" }, "invalid_request", /response_format\.regex/u],
    [{ type: "regex", regex: "(?=a)b" }, "invalid_request", /response_format\.regex/u],
    [{ type: "regex", regex: "[a&&b]" }, "invalid_request", /response_format\.regex: no text/u],
    [{ type: "regex", regex: "(".repeat(5000) + ")".repeat(5000) }, "invalid_request", /response_format\.regex/u],
    [{ type: "grammar", grammar: "begin: \"a\"" }, "invalid_request", /response_format\.grammar/u],
    [{ type: "grammar", grammar: "start: start" }, "invalid_request", /response_format\.grammar: no text/u],
    [{ type: "grammar", grammar: 'start: %json { "not": {} }' }, "invalid_request", /%json/u],
    [{ type: "xml" }, "invalid_request", /response_format\.type/u],
    [{ type: "text", regex: "a" }, "invalid_request", /response_format\.regex is given/u],
    ["json", "invalid_request", /response_format/u],
  ];
  for (const [response_format, code, message] of cases) {
    const result = await create(page, { response_format, max_tokens: 5 });
    const name = JSON.stringify(response_format).slice(0, 100);
    if (code === null) assert.equal(result.error, undefined, `${name}: ${JSON.stringify(result.error)}`);
    else assertError(result, code, message);
  }
  const { value } = await create(page, { response_format: { type: "regex", regex: "fine" } });
  assert.equal(value.choices[0].message.content, "fine", "the engine goes on");
});

test("expressions that explode are kept to or refused, in little time", async (t) => {
  const page = await loaded(t);
  const forms = [
    { type: "regex", regex: "(a|b)*a(a|b){200}" },
    { type: "regex", regex: "((a{1,1000}){1,1000}){1,1000}" },
    { type: "regex", regex: "(\\p{L}{1,50}\\p{N}{1,50}){1,50}" },
    schema({ type: "string", pattern: "^((a{1,100}){1,100}){1,100}$" }),
    schema({ type: "string", pattern: "(x+x+)+y", minLength: 200 }),
    schema({ type: "array", minItems: 99_999, items: { type: "array", minItems: 99_999 } }),
  ];
  for (const response_format of forms) {
    const begun = performance.now();
    const { value, error } = await create(page, { response_format, max_tokens: 60 });
    const took = performance.now() - begun;
    assert.ok(took < 5000, `${JSON.stringify(response_format)} took ${took} ms`);
    if (error) assert.match(error.code, /^(unsupported_schema|invalid_request)$/u, JSON.stringify(error));
    else assert.match(value.choices[0].finish_reason, /^(stop|length)$/u);
  }
});

test("a hundred schemas: whatever ends in stop is valid for ajv", async (t) => {
  const page = await loaded(t, { contextLength: 512 });
  const ajv = new Ajv2020({ strict: false });
  const rounds = soak ? 5 : 1;
  const counts = { stop: 0, length: 0 };
  for (const [index, value] of schemas.entries()) {
    const validate = ajv.compile(value);
    for (let round = 0; round < rounds; round += 1) {
      const { value: answer, error } = await create(page, { response_format: schema(value), seed: 1000 * round + index, max_tokens: 400 });
      assert.equal(error, undefined, `${JSON.stringify(value)}: ${JSON.stringify(error)}`);
      const [{ finish_reason, message }] = answer.choices;
      counts[finish_reason] += 1;
      if (finish_reason === "stop") assert.ok(validate(JSON.parse(message.content)), `${message.content} does not fit ${JSON.stringify(value)}: ${ajv.errorsText(validate.errors)}`);
    }
  }
  console.log(`${schemas.length} schemas, ${rounds} answers each: ${counts.stop} ended in stop and are valid, ${counts.length} in length`);
  assert.equal(schemas.length, 100);
  assert.ok(2 * counts.stop >= counts.stop + counts.length, "half of them end in stop");
});

test("the validator of this test refuses what does not fit", () => {
  const validate = new Ajv2020({ strict: false }).compile(schemas[0]);
  assert.equal(validate({ nothing: "of it" }), false);
});
