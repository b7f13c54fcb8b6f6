// That the package is no matter of one browser: the embedded model in Firefox, with threads and without.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { serve } from "../../tools/serve.mjs";
import { findFirefox, launchFirefox } from "./firefox.mjs";
import { dist } from "./harness.mjs";

const skip = findFirefox() ? false : "no Firefox found (Debian: apt-get install firefox-esr; FIREFOX says where it is)";

const work = `(async () => {
  const [{ load }, { tasks }] = await Promise.all([import("/pkg/index.js"), import("/pkg/desk.js")]);
  const engine = await load("embedded:desk", { backend: "cpu" });
  const answer = await engine.chat.completions.create(tasks.ticket.request("The printer on floor 3 is jammed. Ana"));
  const { info } = engine;
  await engine.close();
  return JSON.stringify({ text: answer.choices[0].message.content, isolated: crossOriginIsolated, threads: info.threads, processors: navigator.hardwareConcurrency });
})()`;

let firefox;
before(async () => {
  if (skip === false) firefox = await launchFirefox();
});
after(() => firefox?.close());

for (const isolated of [true, false]) {
  test(`Firefox writes, ${isolated ? "" : "not "}isolated`, { skip, timeout: 240_000 }, () => check(isolated));
}

async function check(isolated) {
  const site = await serve({ folders: { "/pkg/": dist }, pages: { "/": "<!doctype html><title>Firefox</title>" }, isolated });
  const seen = JSON.parse(await firefox.evaluate(site.url, work).finally(() => site.close()));
  const { category } = JSON.parse(seen.text);
  const expected = { category: "printing", isolated, threads: isolated && seen.processors > 1 };
  assert.deepEqual({ category, isolated: seen.isolated, threads: seen.threads > 1 }, expected, JSON.stringify(seen));
}
