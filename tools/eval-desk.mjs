// `cargo xtask eval desk`: the embedded model on its evaluation sets, through the built package in headless Chromium.
// A table on standard output, or with --json one object; with --mistakes every wrong field too.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { meanConfidence, mistakes, score, table } from "./eval-score.mjs";
import { openPackagePage } from "./page.mjs";
import { inRepository } from "./site.mjs";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    limit: { type: "string" },
    json: { type: "boolean", default: false },
    mistakes: { type: "boolean", default: false },
  },
});

const limit = values.limit === undefined ? Infinity : Number(values.limit);
const read = (name) =>
  readFileSync(inRepository(`models/desk/eval/${name}`), "utf8")
    .trimEnd()
    .split("\n")
    .slice(0, limit)
    .map((line) => JSON.parse(line));

const sets = {
  "held-out tickets": ["ticket", read("held_out_tickets.jsonl")],
  "held-out invoices": ["invoice", read("held_out_invoices.jsonl")],
  "hand-written tickets": ["ticket", read("tickets.jsonl")],
  "hand-written invoices": ["invoice", read("invoices.jsonl")],
};
const offTopic = read("offtopic.jsonl");

/** Runs in the page: loads the model and reads one message; the milliseconds from nothing to the first token. */
async function open({ model, message }) {
  const [{ load }, { tasks }] = await Promise.all([import("/pkg/index.js"), import("/pkg/desk.js")]);
  const started = performance.now();
  globalThis.desk = await load(model, { backend: "cpu", threads: 1, cache: "none" });
  await globalThis.desk.chat.completions.create({ ...tasks.ticket.request(message), max_tokens: 1 });
  return performance.now() - started;
}

/** Runs in the page: one form for each text, and how long it took. */
async function fill({ task, texts }) {
  const { tasks } = await import("/pkg/desk.js");
  const answers = [];
  for (const text of texts) {
    try {
      const completion = await globalThis.desk.chat.completions.create(tasks[task].request(text));
      answers.push({ ...tasks[task].parse(completion), timings: completion.timings });
    } catch (error) {
      answers.push({ error: `${error.code ?? error.name}: ${error.message}` });
    }
  }
  return answers;
}

const models = values.model === undefined ? [] : [values.model];
const { page, close } = await openPackagePage({ models });
try {
  const model = values.model === undefined ? "embedded:desk" : `models/${encodeURIComponent(values.model.split("/").at(-1))}`;
  const ask = (task, texts) => page.evaluate(fill, { task, texts });
  const firstTokenMs = await page.evaluate(open, { model, message: offTopic[0].text });
  const scores = {};
  const wrong = {};
  const speeds = [];
  for (const [name, [task, examples]] of Object.entries(sets)) {
    console.error(`· ${name}`);
    const answers = await ask(task, examples.map(({ text }) => text));
    scores[name] = score(examples, answers);
    wrong[name] = [...answers.flatMap(({ error }) => error ?? []), ...mistakes(examples, answers)];
    speeds.push(...answers.flatMap(({ timings }) => timings?.decode_per_second ?? []));
  }
  const offTopicConfidence = meanConfidence(await ask("ticket", offTopic.map(({ text }) => text)));
  const tokensPerSecond = speeds.toSorted((a, b) => a - b)[Math.floor(speeds.length / 2)];
  if (values.json) console.log(JSON.stringify({ scores, offTopicConfidence, firstTokenMs, tokensPerSecond, mistakes: wrong }, null, 2));
  else {
    console.log(table(scores));
    console.log(`\nMean confidence on ${offTopic.length} off-topic texts, read as tickets: ${offTopicConfidence.toFixed(3)}`);
    console.log(`From nothing to the first token: ${firstTokenMs.toFixed(0)} ms`);
    console.log(`Median decode speed, one thread: ${tokensPerSecond.toFixed(0)} tokens/s`);
    if (values.mistakes) for (const [name, lines] of Object.entries(wrong)) console.log(`\n${name}\n${lines.map((line) => `- ${line}`).join("\n")}`);
  }
} finally {
  await close();
}
