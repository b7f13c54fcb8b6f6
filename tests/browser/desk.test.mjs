// The embedded model through the package: what it reads, how sure it is, and that nothing breaks out of the form.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { score } from "../../tools/eval-score.mjs";
import { assertError, root, useHarness } from "./harness.mjs";

const harness = useHarness();
const folder = join(root, "models", "desk");
const lines = (name) => readFileSync(join(folder, "eval", name), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));

/** A page with the model as `engine` and the tasks as `tasks`. */
async function loaded(t) {
  const page = await harness.page(t);
  await page.evaluate(async () => {
    window.tasks = (await import("/pkg/desk.js")).tasks;
    window.engine = await window.tabmind.load("embedded:desk", { backend: "cpu", threads: 1, cache: "none" });
  });
  return page;
}

/** The forms of some texts, each with its confidence and the text that the model wrote, or the error of asking or parsing. */
const fill = (page, task, texts) =>
  page.evaluate(
    async ([name, messages]) => {
      const answers = [];
      for (const message of messages) {
        const { value, error } = await window.outcome(async () => {
          const completion = await window.engine.chat.completions.create(window.tasks[name].request(message));
          return { written: completion.choices[0].message.content, ...window.tasks[name].parse(completion) };
        });
        answers.push(error ? { error } : value);
      }
      return answers;
    },
    [task, texts],
  );

test("the prompts are those that the model was trained with", async () => {
  const { tasks } = await import("tabmind/desk");
  const python = readFileSync(join(folder, "desk", "forms.py"), "utf8");
  for (const [name, { system, schema }] of Object.entries(tasks)) {
    assert.ok(python.includes(`"${name}": "${system}"`), system);
    assert.ok(python.includes(`"${name}": ${JSON.stringify(Object.keys(schema.properties)).replaceAll(",", ", ")}`), name);
    assert.deepEqual(schema.required, Object.keys(schema.properties));
  }
});

test("a smoke test of the evaluation: the first hand-written texts of each kind", async (t) => {
  const page = await loaded(t);
  for (const [task, file, floor] of [
    ["ticket", "tickets.jsonl", 0.8],
    ["invoice", "invoices.jsonl", 0.8],
  ]) {
    const examples = lines(file).slice(0, 12);
    const answers = await fill(page, task, examples.map(({ text }) => text));
    const { allFields, failed } = score(examples, answers);
    assert.equal(failed, 0);
    assert.ok(allFields >= floor, `${task}: ${allFields} of the fields are right`);
    for (const { form, confidence } of answers) {
      assert.deepEqual(Object.keys(confidence), Object.keys(form));
      for (const value of Object.values(confidence)) assert.ok(value > 0 && value <= 1 + 1e-6, `${value} is a probability`);
    }
  }
});

test("whatever is asked, the answer is a form or a clear error", async (t) => {
  const page = await loaded(t);
  const texts = lines("bad_input.jsonl").map(({ text }) => text);
  for (const task of ["ticket", "invoice"]) {
    const answers = await fill(page, task, texts);
    for (const [index, { written, form, error }] of answers.entries()) {
      if (error) {
        assertError({ error }, "invalid_request", /did not end by itself: finish_reason is "length"/u);
        continue;
      }
      assert.ok(written, `${task}: ${JSON.stringify(texts[index])}`);
      assert.equal(JSON.stringify(JSON.parse(written)), JSON.stringify(form));
      assert.ok(Object.values(form).every((value) => value === null || ["string", "number"].includes(typeof value)));
    }
  }
});

test("a text that is ten times too long is refused with its length", async (t) => {
  const page = await loaded(t);
  const [{ error }] = await fill(page, "ticket", ["The printer is jammed. ".repeat(1500)]);
  assertError({ error }, "context_overflow", /\d{4,} tokens/u);
});

test("parse says what is wrong with an answer", async () => {
  const { tasks } = await import("tabmind/desk");
  const { TabmindError } = await import("tabmind");
  const form = { category: "email", priority: "low", summary: "é", requester: null, asset: null, location: null, due: null };
  const content = JSON.stringify(form);
  const answer = (change = {}) => ({ choices: [{ message: { content }, logprobs: { content: [{ token: content, logprob: -1 }] }, finish_reason: "stop", ...change }] });
  assert.deepEqual(tasks.ticket.parse(answer()).form, form);
  const bad = [
    [undefined, /expected a chat completion/u],
    [{ choices: [] }, /expected a chat completion/u],
    [answer({ finish_reason: "length" }), /"length"/u],
    [answer({ logprobs: null }), /log-probabilities/u],
    [answer({ message: { content: "no form" } }), /expected JSON/u],
    [answer({ message: { content: "{}" } }), /no `category`/u],
  ];
  for (const [completion, message] of bad) {
    assert.throws(() => tasks.ticket.parse(completion), (error) => error instanceof TabmindError && error.code === "invalid_request" && message.test(error.message));
  }
});

test("confidence is the probability of the value's tokens, from its colon to the sign after it", async () => {
  const { tasks } = await import("tabmind/desk");
  const tokens = ['{"', "category", '":"', "email", '","', "priority", '":"', "low", '","summary":"', "é", '","requester":', "null", ',"asset":null,"location":null,"due":null', "}"];
  const content = tokens.join("");
  // Half a character is no text: what counts are the bytes.
  const halves = [[0xc3], [0xa9]].map((bytes) => ({ token: "\uFFFD", bytes }));
  const scored = tokens.flatMap((token) => (token === "é" ? halves : [{ token, bytes: null }]));
  const confident = (unsure) => {
    const logprobs = { content: scored.map((token, index) => ({ ...token, logprob: index === unsure ? Math.log(0.5) : 0 })) };
    const { confidence } = tasks.ticket.parse({ choices: [{ message: { content }, logprobs, finish_reason: "stop" }] });
    return Object.keys(confidence).filter((field) => confidence[field] < 0.75);
  };
  assert.deepEqual(confident(0), []);
  assert.deepEqual(confident(1), [], "a field's name is no value");
  assert.deepEqual(confident(2), ["category"]);
  assert.deepEqual(confident(3), ["category"]);
  assert.deepEqual(confident(4), ["category"]);
  assert.deepEqual(confident(10), ["summary"], "the second half of a character");
  assert.deepEqual(confident(12), ["requester"]);
  assert.deepEqual(confident(14), ["due"]);
});
