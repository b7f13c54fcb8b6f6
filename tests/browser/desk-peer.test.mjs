// The embedded model in another runtime: llama.cpp, as wllama brings it to the browser, must read the same file, its
// vocabulary and its chat template, and write the same forms. Both round, each in its own way: where the model cannot
// choose between two tokens they may part, and only there.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openPackagePage } from "../../tools/page.mjs";
import { root } from "./harness.mjs";

const peer = join(root, "node_modules", "@wllama", "wllama", "esm");
const lines = (name) => readFileSync(join(root, "models", "desk", "eval", name), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));

/** The preference that rounding may turn round, in nats. */
const MAX_PREFERENCE = 0.1;

/** Runs in the page: the answers of both engines, unconstrained, so that every token is the model's own choice. */
async function answers({ asked, model }) {
  const [{ load }, { tasks }, { Wllama }] = await Promise.all(["/pkg/index.js", "/pkg/desk.js", "/wllama/index.js"].map((url) => import(url)));
  const ours = await load("embedded:desk", { backend: "cpu", threads: 1, cache: "none" });
  const silent = { debug() {}, log() {}, warn() {}, error: (...parts) => console.error(...parts) };
  const theirs = new Wllama({ default: new URL("/wllama/wasm/wllama.wasm", location.href).href }, { logger: silent });
  await theirs.loadModel([await (await fetch(model)).blob()], { n_ctx: 768, n_threads: 1, n_parallel: 1, n_gpu_layers: 0 });
  const texts = [];
  for (const [task, text] of asked) {
    const params = { messages: tasks[task].request(text).messages, max_tokens: 160, temperature: 0 };
    const mine = await ours.chat.completions.create({ ...params, logprobs: true, top_logprobs: 2 });
    const other = await theirs.createChatCompletion(params);
    const { message, logprobs } = mine.choices[0];
    texts.push({ ours: message.content, tokens: logprobs.content, theirs: other.choices[0].message.content });
  }
  await ours.close();
  await theirs.exit();
  return texts;
}

/** How much likelier, in nats, the token is with which our text parts from theirs than the next one; null if none does. */
function preferenceWherePart({ ours, tokens, theirs }) {
  if (ours === theirs) return null;
  let text = "";
  const parting = tokens.find(({ token }) => !theirs.startsWith((text += token)));
  const [best, next] = parting.top_logprobs;
  return best.logprob - next.logprob;
}

test("a parting is weighed", () => {
  const token = (text, second) => ({ token: text, top_logprobs: [{ logprob: -0.5 }, { logprob: second }] });
  assert.equal(preferenceWherePart({ ours: "ab", tokens: [], theirs: "ab" }), null);
  assert.equal(preferenceWherePart({ ours: "abc", tokens: [token("a", -9), token("bc", -1.5)], theirs: "axy" }), 1);
});

test("wllama writes the same forms, token by token", { skip: !existsSync(peer) && "wllama is not installed" }, async (t) => {
  const { page, close } = await openPackagePage({ models: [], folders: { "/wllama/": peer } });
  t.after(close);
  const five = (task, name) => lines(name).slice(0, 5).map(({ text }) => [task, text]);
  const asked = [...five("ticket", "tickets.jsonl"), ...five("invoice", "invoices.jsonl")];
  const texts = await page.evaluate(answers, { asked, model: "/pkg/models/desk.gguf" });
  assert.equal(texts.length, 10);
  const partings = texts.map((text) => preferenceWherePart(text)).filter((preference) => preference !== null);
  t.diagnostic(`${10 - partings.length} of 10 texts are the same; preferences where others part: ${partings.join(", ")}`);
  assert.ok(partings.length <= 1);
  for (const preference of partings) assert.ok(preference < MAX_PREFERENCE);
  for (const { ours } of texts) assert.match(ours, /^\{"/u);
});
