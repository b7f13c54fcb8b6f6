// Threads: they give what one thread gives, end cleanly, and are done without where a page cannot share memory.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { serve } from "../../tools/serve.mjs";
import { assets, builds, optionsOf, soak, useHarness, withoutAssets } from "./harness.mjs";

const harness = useHarness();
const model = "/weights/tinystories-656K/tinystories-656K-q4_0.gguf";
const skip = withoutAssets;

test("each build runs where it is asked for, and only its files are fetched", { skip }, async (t) => {
  const page = await harness.page(t);
  for (const build of builds) {
    const found = await page.evaluate(
      async ({ url, options }) => {
        const engine = await window.tabmind.load(url, options);
        const urls = engine.networkRequests().map((request) => request.url);
        await engine.close();
        return { info: engine.info, requested: urls };
      },
      { url: model, options: optionsOf(build) },
    );
    assert.deepEqual([found.info.build, found.info.threads], [build.split("-")[0], build.endsWith("-threads") ? 2 : 1]);
    const modules = found.requested.filter((url) => url.endsWith(".wasm")).map((url) => url.split("/").at(-1));
    assert.deepEqual(modules, [`tabmind-${build}_bg.wasm`]);
  }
});

test("all builds compute the same integers: log-probabilities are equal to the last bit", { skip }, async (t) => {
  const page = await harness.page(t);
  const scores = await page.evaluate(
    async ({ url, all }) => {
      const results = [];
      for (const options of all) {
        const engine = await window.tabmind.load(url, options);
        results.push((await engine.score("Once upon a time there was a little girl who had a red ball and a dog.")).logprobs);
        await engine.close();
      }
      return results;
    },
    { url: model, all: builds.map((build) => optionsOf(build)) },
  );
  assert.ok(scores[0].length > 10 && scores[0].every((value) => value < 0));
  for (const [index, score] of scores.entries()) assert.deepEqual(score, scores[0], builds[index]);
});

test("a page without isolation runs on one thread, whatever is asked for", { skip }, async (t) => {
  const site = await serve({
    folders: { "/pkg/": harness.package, "/weights/": join(assets, "weights") },
    pages: { "/": '<!doctype html><script type="module">import * as tabmind from "/pkg/index.js"; window.tabmind = tabmind;</script>' },
    isolated: false,
  });
  t.after(() => site.close());
  const page = await harness.browser.newPage();
  t.after(() => page.close());
  await page.goto(site.url);
  await page.waitForFunction(() => window.tabmind !== undefined);
  const found = await page.evaluate(async (url) => {
    const engine = await window.tabmind.load(url, { threads: 4, cache: "none", backend: "cpu" });
    const answer = await engine.completions.create({ prompt: "Once", max_tokens: 8, ignore_eos: true });
    return { isolated: crossOriginIsolated, threads: engine.info.threads, tokens: answer.usage.completion_tokens };
  }, model);
  assert.deepEqual(found, { isolated: false, threads: 1, tokens: 8 });
});

test("aborts at random moments never hang two threads", { skip }, async (t) => {
  const page = await harness.page(t);
  const times = soak ? 1000 : 40;
  const found = await page.evaluate(
    async ({ url, options, aborts }) => {
      const engine = await window.tabmind.load(url, options);
      const ask = (signal) => engine.completions.create({ prompt: "Once upon a time", max_tokens: 300, temperature: 0, ignore_eos: true }, { signal });
      await ask(); // the first one is slower: it compiles
      const started = performance.now();
      const expected = (await ask()).choices[0].text;
      const whole = performance.now() - started;
      const outcomes = [];
      for (let i = 0; i < aborts; i += 1) {
        const controller = new AbortController();
        const timer = setTimeout(() => controller.abort(), Math.random() * whole * 1.2);
        const { error } = await window.outcome(() => ask(controller.signal));
        outcomes.push(error?.name ?? "ended");
        clearTimeout(timer);
      }
      const text = (await ask()).choices[0].text;
      await engine.close();
      return { outcomes, text, expected };
    },
    { url: model, options: optionsOf("relaxed-threads"), aborts: times },
  );
  const count = (name) => found.outcomes.filter((outcome) => outcome === name).length;
  t.diagnostic(`${count("AbortError")} aborted, ${count("ended")} ended before`);
  assert.equal(count("AbortError") + count("ended"), times);
  assert.ok(count("AbortError") > times / 10, "many were aborted in the middle");
  assert.equal(found.text, found.expected, "the engine is as it was");
});

/** Ends what a worker is executing, from outside, as if it had been killed. */
async function kill(page, title) {
  const cdp = await harness.browser.newBrowserCDPSession();
  const { targetInfos } = await cdp.send("Target.getTargets", { filter: [{ type: "worker", exclude: false }] });
  const { targetId } = targetInfos.find((target) => target.title === title);
  const { sessionId } = await cdp.send("Target.attachToTarget", { targetId, flatten: false });
  const done = new Promise((resolve) => cdp.on("Target.receivedMessageFromTarget", resolve));
  await cdp.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id: 1, method: "Runtime.terminateExecution" }) });
  await done;
}

// Between two pieces of work a dead thread is not missed: the others do its share. In the middle of one it is, after
// ten seconds, and everything that waits learns that the worker died.
test("a thread killed in the middle of a generation: the same text or a typed error, and a new engine loads", { skip }, async (t) => {
  const page = await harness.page(t);
  await page.evaluate(
    async ({ url, options }) => {
      window.ask = (engine, max_tokens) => engine.completions.create({ prompt: "Once", max_tokens, temperature: 0, ignore_eos: true });
      const engine = await window.tabmind.load(url, options);
      window.expected = (await window.ask(engine, 300)).choices[0].text;
      window.work = (async () => {
        const texts = [];
        for (let i = 0; i < 20; i += 1) texts.push((await window.ask(engine, 300)).choices[0].text);
        return texts;
      })().then((texts) => ({ texts }), (error) => ({ code: error.code }));
    },
    { url: model, options: optionsOf("relaxed-threads") },
  );
  await kill(page, "tabmind thread");
  const found = await page.evaluate(
    async ({ url, options }) => {
      const { texts, code } = await window.work;
      const engine = await window.tabmind.load(url, options);
      const { usage } = await window.ask(engine, 4);
      await engine.close();
      return { code, same: texts?.every((text) => text === window.expected), tokens: usage.completion_tokens };
    },
    { url: model, options: optionsOf("relaxed-threads") },
  );
  t.diagnostic(found.code ?? "the leader went on alone");
  assert.ok(found.same === true || found.code === "worker_died", JSON.stringify(found));
  assert.equal(found.tokens, 4);
});
