// The embedded model in another runtime: llama.cpp, as wllama brings it to the browser, must read the same file, its
// vocabulary and its chat template, and write the same forms.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openPackagePage } from "../../tools/page.mjs";
import { root } from "./harness.mjs";

const peer = join(root, "node_modules", "@wllama", "wllama", "esm");
const lines = (name) => readFileSync(join(root, "models", "desk", "eval", name), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));

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
    const [mine, other] = [await ours.chat.completions.create(params), await theirs.createChatCompletion(params)];
    texts.push([mine, other].map((answer) => answer.choices[0].message.content));
  }
  await ours.close();
  await theirs.exit();
  return texts;
}

test("wllama writes the same forms, token by token", { skip: !existsSync(peer) && "wllama is not installed" }, async (t) => {
  const { page, close } = await openPackagePage({ models: [], folders: { "/wllama/": peer } });
  t.after(close);
  const five = (task, name) => lines(name).slice(0, 5).map(({ text }) => [task, text]);
  const asked = [...five("ticket", "tickets.jsonl"), ...five("invoice", "invoices.jsonl")];
  const texts = await page.evaluate(answers, { asked, model: "/pkg/models/desk.gguf" });
  assert.equal(texts.length, 10);
  for (const [ours, theirs] of texts) {
    assert.match(ours, /^\{"/u);
    assert.equal(ours, theirs);
  }
});
