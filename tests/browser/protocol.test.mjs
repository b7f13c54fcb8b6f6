// The TypeScript alone, over a fake engine: mapping, aborts, and every way in which a worker can fail.
import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../../tools/serve.mjs";
import { assertAborted, assertError, useHarness } from "./harness.mjs";

const harness = useHarness({ fake: true });

/** A page whose `engine` is loaded. */
async function loaded(t) {
  const page = await harness.page(t);
  await page.evaluate(async () => {
    window.engine = await window.tabmind.load("/model.gguf", { threads: 1 });
  });
  return page;
}

test("a chat answer has OpenAI's shape", async (t) => {
  const page = await loaded(t);
  const { id, created, ...answer } = await page.evaluate(() =>
    window.engine.chat.completions.create({ messages: [{ role: "user", content: "count 2" }], return_token_ids: true }),
  );
  assert.match(id, /^chatcmpl-[0-9a-f]{24}$/u);
  assert.ok(Math.abs(created - Date.now() / 1000) < 60);
  assert.deepEqual(answer, {
    object: "chat.completion",
    model: "fake",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: "0 1 ", refusal: null },
        logprobs: null,
        finish_reason: "stop",
        token_ids: [0, 1],
      },
    ],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, prompt_tokens_details: { cached_tokens: 1 } },
    timings: { prompt_tokens: 2, completion_tokens: 2 },
  });
});

test("a completion has OpenAI's legacy shape, with n choices, and without ids unless asked", async (t) => {
  const page = await loaded(t);
  const { id, created, ...answer } = await page.evaluate(() => window.engine.completions.create({ prompt: "count 1", n: 2 }));
  assert.match(id, /^cmpl-/u);
  assert.equal(typeof created, "number");
  const choice = { text: "0 ", logprobs: null, finish_reason: "stop" };
  assert.deepEqual(answer, {
    object: "text_completion",
    model: "fake",
    choices: [
      { index: 0, ...choice },
      { index: 1, ...choice },
    ],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, prompt_tokens_details: { cached_tokens: 1 } },
    timings: { prompt_tokens: 2, completion_tokens: 2 },
  });
});

test("chat chunks: role first, then text, finish_reason, and usage when asked for", async (t) => {
  const page = await loaded(t);
  const chunks = await page.evaluate(async () =>
    window.collect(
      await window.engine.chat.completions.create({
        messages: [{ role: "user", content: "count 2" }],
        stream: true,
        stream_options: { include_usage: true },
        return_token_ids: true,
      }),
    ),
  );
  assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
  assert.ok(chunks.every(({ object, model }) => object === "chat.completion.chunk" && model === "fake"));
  assert.deepEqual(
    chunks.slice(0, 3).map(({ choices, usage }) => [choices[0], usage]),
    [
      [{ index: 0, logprobs: null, delta: { role: "assistant", content: "0 " }, finish_reason: null, token_ids: [0] }, null],
      [{ index: 0, logprobs: null, delta: { content: "1 " }, finish_reason: null, token_ids: [1] }, null],
      [{ index: 0, logprobs: null, delta: {}, finish_reason: "stop" }, null],
    ],
  );
  assert.deepEqual(chunks[3].choices, []);
  assert.equal(chunks[3].usage.completion_tokens, 2);
  assert.equal(chunks[3].timings.completion_tokens, 2);
  assert.equal(chunks.length, 4);
});

test("completion chunks have no usage unless asked", async (t) => {
  const page = await loaded(t);
  const chunks = await page.evaluate(async () =>
    window.collect(await window.engine.completions.create({ prompt: "count 1", stream: true })),
  );
  assert.deepEqual(
    chunks.map(({ id: _id, created: _created, ...chunk }) => chunk),
    [
      { object: "text_completion", model: "fake", choices: [{ index: 0, logprobs: null, text: "0 ", finish_reason: null }] },
      { object: "text_completion", model: "fake", choices: [{ index: 0, logprobs: null, text: "", finish_reason: "stop" }] },
    ],
  );
});

test("the small calls pass through", async (t) => {
  const page = await loaded(t);
  assert.deepEqual(await page.evaluate(() => window.engine.tokenize("ab")), [97, 98]);
  assert.equal(
    await page.evaluate(async () => window.engine.detokenize(await window.engine.tokenize("options", { addSpecial: true }))),
    '{"addSpecial":true}',
  );
  assert.deepEqual(await page.evaluate(() => window.engine.tokenize("ab", { offsets: true })), { ids: [97, 98], offsets: [[0, 1], [1, 2]] });
  assert.equal(await page.evaluate(() => window.engine.detokenize(new Uint16Array([104, 105]))), "hi");
  assert.equal(await page.evaluate(() => window.engine.countTokens([{ role: "user", content: "x" }])), 1);
  assert.equal(
    await page.evaluate(() => window.engine.applyChatTemplate([{ role: "user", content: "x" }], { addGenerationPrompt: false })),
    '[{"role":"user","content":"x"}]|{"addGenerationPrompt":false}',
  );
  assert.deepEqual(await page.evaluate(() => window.engine.stats()), { heapBytes: 1, running: 0, aborted: 0 });
});

test("load: model sources, options and progress reach the engine", async (t) => {
  const page = await harness.page(t);
  const url = harness.site.url;
  const info = await page.evaluate(async () => {
    const bytes = new TextEncoder().encode("bytes");
    const sources = [
      "model.gguf",
      "hf:owner/repo/file.gguf",
      "embedded:desk",
      new URL("https://example.org/x.gguf"),
      new File(["file"], "x.gguf"),
      bytes,
      bytes.buffer,
    ];
    const progress = [];
    const engine = await window.tabmind.load(sources, { threads: 2, cache: "none", onProgress: (p) => progress.push(p) });
    return { ...engine.info, progress, intact: bytes.byteLength };
  });
  assert.deepEqual(info.parts, [
    `${url}model.gguf`,
    "hf:owner/repo/file.gguf",
    `${url}pkg/models/desk.gguf`,
    "https://example.org/x.gguf",
    "blob file",
    "blob bytes",
    "blob bytes",
  ]);
  assert.deepEqual(info.options, { threads: 2, cache: "none" });
  assert.deepEqual(info.progress, [
    { phase: "download", loaded: 1, total: 2 },
    { phase: "ready", loaded: 2, total: 2 },
  ]);
  assert.equal(info.intact, 5, "the caller's bytes stay usable");
});

test("assets: a base, a function, and another origin", async (t) => {
  const page = await harness.page(t);
  const elsewhere = await serve({
    folders: { "/lib/": harness.package },
    handle(_request, response) {
      response.setHeader("Access-Control-Allow-Origin", "*");
      response.setHeader("Cross-Origin-Resource-Policy", "cross-origin");
      return false;
    },
  });
  t.after(() => elsewhere.close());
  const urls = await page.evaluate(async (base) => {
    const results = [];
    for (const assets of ["/pkg", new URL("/pkg/", document.baseURI), (file) => `/pkg/${file}`, base, `${base}/`]) {
      const engine = await window.tabmind.load("embedded:desk", { assets, threads: 1 });
      results.push([engine.info.parts[0], engine.networkRequests().map((request) => request.url)]);
      await engine.close();
    }
    return results;
  }, `${elsewhere.url}lib`);
  const own = `${harness.site.url}pkg/`;
  const other = `${elsewhere.url}lib/`;
  const files = ["worker-relaxed.js", "tabmind-relaxed.js", "worker.js", "threads.js", "seal.js", "tabmind-relaxed_bg.wasm"];
  const local = [`${own}models/desk.gguf`, [...files.map((file) => own + file), "model"]];
  const remote = [`${other}models/desk.gguf`, [...files.map((file) => other + file), "model"]];
  assert.deepEqual(urls, [local, local, local, remote, remote]);
});

test("networkRequests: the package's own files have sizes and times, later requests follow", async (t) => {
  const page = await loaded(t);
  const requests = await page.evaluate(async () => {
    await window.engine.completions.create({ prompt: "count 1" });
    return window.engine.networkRequests();
  });
  assert.deepEqual(
    requests.map(({ url, bytes }) => [url.replace(harness.site.url, "/"), bytes > 0]),
    [...["worker-relaxed.js", "tabmind-relaxed.js", "worker.js", "threads.js", "seal.js", "tabmind-relaxed_bg.wasm"].map((file) => [`/pkg/${file}`, true]), ["model", true], ["more", true]],
  );
  assert.ok(requests.slice(0, 6).every(({ at }) => Math.abs(at - Date.now()) < 60_000));
});

test("what JSON cannot carry is an invalid_request that names the field", async (t) => {
  const page = await loaded(t);
  const cases = {
    "temperature: expected a finite number, found NaN": () => ({ prompt: "x", temperature: NaN }),
    "temperature: expected a finite number, found Infinity": () => ({ prompt: "x", temperature: Infinity }),
    "seed: the BigInt 1n cannot be sent": () => ({ prompt: "x", seed: 1n }),
    "stop[1]: a function cannot be sent": () => ({ prompt: "x", stop: ["a", () => {}] }),
    "logit_bias: expected a plain object or array, found an object (Map)": () => ({ prompt: "x", logit_bias: new Map() }),
    "logit_bias.again: contains itself": () => {
      const bias = {};
      bias.again = bias;
      return { prompt: "x", logit_bias: bias };
    },
    "stop[0]: undefined cannot be sent": () => ({ prompt: "x", stop: [undefined] }),
    "stream: expected true or false, found \"yes\"": () => ({ prompt: "x", stream: "yes" }),
    "stream_options: only allowed with stream: true": () => ({ prompt: "x", stream_options: { include_usage: true } }),
    "stream_options.usage: unknown field": () => ({ prompt: "x", stream: true, stream_options: { usage: true } }),
    "stream_options.include_usage: expected true or false, found 1": () => ({ prompt: "x", stream: true, stream_options: { include_usage: 1 } }),
    "signal: expected an AbortSignal, found an object (Object)": () => ({ prompt: "x", signal: {} }),
    "params: expected an object, found null": () => null,
    "params: expected an object, found \"x\"": () => "x",
  };
  for (const [message, params] of Object.entries(cases)) {
    const outcome = await page.evaluate(`outcome(() => engine.completions.create((${params})()))`);
    assertError(outcome, "invalid_request", new RegExp(message.replaceAll(/[.*+?^${}()|[\]\\]/gu, "\\$&"), "u"));
  }
  const calls = {
    "options.timeout: unknown field": "engine.completions.create({ prompt: 'x' }, { timeout: 1 })",
    "options.signal: expected an AbortSignal, found 1": "engine.completions.create({ prompt: 'x' }, { signal: 1 })",
    "text: expected a string, found 1": "engine.tokenize(1)",
    "offsets: expected true or false, found 1": "engine.tokenize('a', { offsets: 1 })",
    "ids[1]: expected a token id, found -1": "engine.detokenize([1, -1])",
    "ids[0]: expected a token id, found 0.5": "engine.detokenize([0.5])",
    "ids[0]: expected a token id, found 4294967296": "engine.detokenize([2 ** 32])",
    "ids: expected an array of token ids, found \"x\"": "engine.detokenize('x')",
    "input: undefined cannot be sent": "engine.countTokens()",
    "model: expected a URL, File": "tabmind.load(1)",
    "model[1]: expected a URL, File": "tabmind.load(['a', null])",
    "model: expected at least one file": "tabmind.load([])",
    "model: \"http://\" is not a URL": "tabmind.load('http://')",
    "onProgress: expected a function, found 1": "tabmind.load('a', { onProgress: 1 })",
    "signal: expected an AbortSignal, found 1": "tabmind.load('a', { signal: 1 })",
    "options.threads: expected a finite number, found NaN": "tabmind.load('a', { threads: NaN })",
    "options: expected an object, found null": "tabmind.load('a', null)",
  };
  for (const [message, call] of Object.entries(calls)) {
    const outcome = await page.evaluate(`outcome(() => ${call})`);
    assertError(outcome, "invalid_request", new RegExp(`^${message.replaceAll(/[.*+?^${}()|[\]\\]/gu, "\\$&")}`, "u"));
  }
  assert.equal(await page.evaluate(() => window.workers.length), 1, "a bad call starts no worker");
});

test("undefined fields are absent, objects of other frames are plain", async (t) => {
  const page = await loaded(t);
  const text = await page.evaluate(async () => {
    const frame = document.createElement("iframe");
    document.body.append(frame);
    const params = frame.contentWindow.JSON.parse('{"prompt":"count 1","logit_bias":{"1":2}}');
    return (await window.engine.completions.create({ ...params, stop: undefined })).choices[0].text;
  });
  assert.equal(text, "0 ");
});

test("an error of the engine rejects with code, message and hint, also for streams", async (t) => {
  const page = await loaded(t);
  for (const stream of [false, true]) {
    const outcome = await page.evaluate((s) => window.outcome(() => window.engine.completions.create({ prompt: "reject", stream: s })), stream);
    assertError(outcome, "context_overflow", /^the prompt has 9 tokens, the context 8$/u);
    assert.equal(outcome.error.hint, "shorten it");
  }
  assert.deepEqual(await page.evaluate(() => window.engine.tokenize("a")), [97], "the engine stays usable");
});

test("an error in mid-stream comes after the chunks before it", async (t) => {
  const page = await loaded(t);
  const outcome = await page.evaluate(async () => {
    const texts = [];
    const stream = await window.engine.completions.create({ prompt: "count 3 after reject", stream: true });
    const end = await window.outcome(async () => {
      for await (const chunk of stream) texts.push(chunk.choices[0].text);
    });
    return { ...end, texts };
  });
  assertError(outcome, "context_overflow");
  assert.deepEqual(outcome.texts, ["0 "]);
});

test("aborts: before the call, during it, by either signal, whole and streamed", async (t) => {
  const page = await loaded(t);
  const outcomes = await page.evaluate(async () => {
    const { completions } = window.engine;
    const results = [await window.outcome(() => completions.create({ prompt: "count 9" }, { signal: AbortSignal.abort("why") }))];
    for (const place of ["params", "options"]) {
      for (const stream of [false, true]) {
        const controller = new AbortController();
        const { signal } = controller;
        setTimeout(() => controller.abort(new Error("enough")), 20);
        results.push(
          await window.outcome(async () => {
            const params = { prompt: "count 100000", stream, ...(place === "params" ? { signal } : {}) };
            const answer = await completions.create(params, place === "options" ? { signal } : {});
            return stream ? window.collect(answer) : answer;
          }),
        );
      }
    }
    return results;
  });
  assert.equal(outcomes.length, 5);
  for (const outcome of outcomes) assertAborted(outcome);
  await page.evaluate(() => window.until(async () => (await window.engine.stats()).running === 0));
  assert.equal((await page.evaluate(() => window.engine.stats())).aborted, 4, "the worker was told, except of the call that never left");
});

test("leaving a stream early stops the engine", async (t) => {
  const page = await loaded(t);
  const texts = await page.evaluate(async () => {
    const seen = [];
    for await (const chunk of await window.engine.completions.create({ prompt: "count 100000", stream: true })) {
      seen.push(chunk.choices[0].text);
      if (seen.length === 2) break;
    }
    return seen;
  });
  assert.deepEqual(texts, ["0 ", "1 "]);
  await page.evaluate(() => window.until(async () => (await window.engine.stats()).aborted === 1));
});

test("a stream has one reader", async (t) => {
  const page = await loaded(t);
  const outcome = await page.evaluate(async () => {
    const stream = await window.engine.completions.create({ prompt: "count 1", stream: true });
    await window.collect(stream);
    return window.outcome(() => window.collect(stream));
  });
  assertError(outcome, "invalid_request", /one reader/u);
});

test("a stream that nobody reads neither rejects nor blocks others", async (t) => {
  const page = await loaded(t);
  const text = await page.evaluate(async () => {
    await window.engine.completions.create({ prompt: "count 2 after reject", stream: true });
    return (await window.engine.completions.create({ prompt: "count 2" })).choices[0].text;
  });
  assert.equal(text, "0 1 ");
});

test("close: pending and later calls reject, twice is fine, the worker is gone", async (t) => {
  const page = await loaded(t);
  const outcomes = await page.evaluate(async () => {
    const { engine } = window;
    const stream = await engine.completions.create({ prompt: "count 100000", stream: true });
    const pending = [window.outcome(() => engine.completions.create({ prompt: "count 100000" })), window.outcome(() => window.collect(stream))];
    await engine.close();
    await engine.close();
    const later = ["tokenize", "detokenize", "countTokens", "score", "applyChatTemplate", "stats"].map((method) =>
      window.outcome(() => engine[method](method === "tokenize" ? "a" : [])),
    );
    later.push(window.outcome(() => engine.chat.completions.create({ messages: [], stream: true })));
    return Promise.all([...pending, ...later]);
  });
  assert.equal(outcomes.length, 9);
  for (const outcome of outcomes) assertError(outcome, "closed");
  assert.deepEqual(await page.evaluate(() => window.workers.map(({ terminated }) => terminated)), [true]);
});

for (const [fault, message] of [
  ["trap", /the fake panicked/u],
  ["trap-in-future", /the fake panicked/u],
  ["reject-unhandled", /unreachable/u],
  ["odd", /not an error of the border/u],
  ["count 2 after trap-in-future", /the fake panicked/u],
]) {
  test(`a worker that dies (${fault}): pending and later calls reject, a new load works`, async (t) => {
    const page = await loaded(t);
    const outcomes = await page.evaluate(async (prompt) => {
      const { completions } = window.engine;
      const calls = [{ prompt: "hang" }, { prompt }].map((params) => window.outcome(() => completions.create(params)));
      const pending = await Promise.all(calls);
      return [...pending, await window.outcome(() => window.engine.tokenize("a"))];
    }, fault);
    for (const outcome of outcomes) assertError(outcome, "worker_died", message);
    const again = await page.evaluate(async () => {
      await window.engine.close();
      const engine = await window.tabmind.load("/model.gguf");
      return [await engine.tokenize("a"), await window.outcome(() => window.engine.tokenize("a"))];
    });
    assert.deepEqual(again[0], [97]);
    assertError(again[1], "closed");
    assert.deepEqual(await page.evaluate(() => window.workers.map(({ terminated }) => terminated)), [true, false]);
  });
}

for (const event of ["messageerror", "error"]) {
  test(`a worker's ${event} event ends the engine`, async (t) => {
    const page = await loaded(t);
    const outcome = await page.evaluate(async (type) => {
      const pending = window.outcome(() => window.engine.completions.create({ prompt: "hang" }));
      await window.engine.stats();
      window.workers[0].worker.deref().dispatchEvent(type === "error" ? new ErrorEvent("error", { message: "lost" }) : new MessageEvent(type));
      return pending;
    }, event);
    assertError(outcome, "worker_died", event === "error" ? /lost/u : /could not be read/u);
  });
}

test("a load that fails leaves no worker behind", async (t) => {
  const page = await harness.page(t);
  const at = (fault, options = "{}") => page.evaluate(`outcome(() => tabmind.load("/x.gguf?fault=${fault}", ${options}))`);
  assertError(await at("reject"), "context_overflow");
  assertError(await at("trap"), "worker_died", /the fake panicked/u);
  assertError(await at("trap-in-future"), "worker_died", /the fake panicked/u);
  assertError(await at("", '{ assets: "/nowhere" }'), "worker_died", /script could not be loaded/u);
  assertError(await at("", '{ assets: (file) => (file.startsWith("worker-") ? `/pkg/${file}` : "/nowhere.wasm") }'), "http_status", /nowhere\.wasm .*404/u);
  assertError(await at("", '{ assets: (file) => (file.startsWith("worker-") ? `/pkg/${file}` : "http://127.0.0.1:1/x.wasm") }'), "network", /x\.wasm/u);
  assertError(await at("", '{ assets: (file) => (file.startsWith("worker-") ? `/pkg/${file}` : "/pkg/index.js") }'), "worker_died", /WebAssembly/u);
  assertAborted(await at("hang", "{ signal: AbortSignal.timeout(50) }"));
  const started = await page.evaluate(() => window.workers.map(({ terminated }) => terminated));
  assert.deepEqual(started, Array.from({ length: 8 }, () => true));
  assertAborted(await at("", "{ signal: AbortSignal.abort() }"));
  assert.equal(await page.evaluate(() => window.workers.length), 8, "an aborted load starts no worker");
});
