// The package as its users call it, over the real engine and a small random model.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { splitGguf, tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertAborted, assertError, assets, soak, useHarness, withoutAssets } from "./harness.mjs";

const harness = useHarness();
const model = writeGguf(tinyModel());

// A random model would write bytes that are no characters; with them forbidden it writes letters.
const letters = Object.fromEntries(Array.from({ length: 259 }, (_, id) => [id, -100]));

/** A page whose `engine` runs `bytes`, by default the small model, and whose `letters` forbid all but letters. */
async function loaded(t, bytes = model) {
  const url = harness.made("model.gguf", bytes);
  const page = await harness.page(t);
  await page.evaluate(
    async ([source, bias]) => {
      window.letters = bias;
      window.engine = await window.tabmind.load(source, { cache: "none" });
    },
    [url, letters],
  );
  return page;
}

/** `await engine.completions.create(params)` in the page. */
const complete = (page, params) =>
  page.evaluate((p) => window.engine.completions.create({ logit_bias: window.letters, return_token_ids: true, ...p }), params);

/** The same, streamed, put together. */
const completeStreamed = (page, params) =>
  page.evaluate(async (p) => {
    const stream = await window.engine.completions.create({
      logit_bias: window.letters,
      return_token_ids: true,
      stream: true,
      stream_options: { include_usage: true },
      ...p,
    });
    const choices = [];
    let usage;
    for await (const chunk of stream) {
      ({ usage } = chunk);
      for (const { index, text, token_ids: ids = [], finish_reason: reason } of chunk.choices) {
        const choice = (choices[index] ??= { index, text: "", token_ids: [], finish_reason: null });
        choice.text += text;
        choice.token_ids.push(...ids);
        choice.finish_reason ??= reason;
      }
    }
    return { choices, usage };
  }, params);

const plain = ({ choices, usage }) => ({ choices: choices.map(({ logprobs: _logprobs, ...choice }) => choice), usage: tokens(usage) });
const tokens = ({ prompt_tokens, completion_tokens, total_tokens }) => ({ prompt_tokens, completion_tokens, total_tokens });

test("streaming equals non-streaming: greedy, sampled, several choices, with a stop string", async (t) => {
  const page = await loaded(t);
  const cases = [
    { temperature: 0 },
    { temperature: 1, seed: 7 },
    { temperature: 1.3, seed: 8, top_k: 20, top_p: 0.9, min_p: 0.01, n: 3 },
    { temperature: 0, stop: "e" },
    { temperature: 1, seed: 3, logit_bias: {} }, // bytes that are no characters
  ];
  for (const params of cases) {
    const all = { prompt: "the cat", max_tokens: 40, ...params };
    const whole = plain(await complete(page, all));
    assert.deepEqual(plain(await completeStreamed(page, all)), whole, JSON.stringify(params));
    assert.equal(whole.choices.length, params.n ?? 1);
    assert.ok(whole.choices.every(({ text, finish_reason }) => text !== "" && ["stop", "length"].includes(finish_reason)));
  }
});

test("chat: streaming equals non-streaming, and both the completion of the rendered template", async (t) => {
  const page = await loaded(t);
  const { whole, streamed, rendered, text } = await page.evaluate(async () => {
    const messages = [
      { role: "system", content: "be brief" },
      { role: "user", content: "a cat" },
    ];
    const params = { temperature: 0, max_completion_tokens: 24, logit_bias: window.letters };
    const { create } = window.engine.chat.completions;
    const chunks = await window.collect(await create({ ...params, messages, stream: true }));
    const prompt = await window.engine.applyChatTemplate(messages);
    const { max_completion_tokens: max_tokens, ...rest } = params;
    return {
      whole: (await create({ ...params, messages })).choices[0],
      streamed: chunks.map(({ choices }) => choices[0].delta.content ?? "").join(""),
      rendered: prompt,
      text: (await window.engine.completions.create({ ...rest, max_tokens, prompt })).choices[0].text,
    };
  });
  assert.equal(rendered, "system: be brief\nuser: a cat\nassistant: ");
  assert.equal(whole.message.role, "assistant");
  assert.equal(whole.message.content, streamed);
  // A chat answer begins a text, a completion continues one: only the leading space may differ.
  assert.equal(whole.message.content.trimStart(), text.trimStart());
  assert.equal(whole.finish_reason, "length");
});

test("the same seed writes the same text, another seed another", async (t) => {
  const page = await loaded(t);
  const params = { prompt: "the", max_tokens: 24, temperature: 1 };
  const text = async (seed) => (await complete(page, { ...params, seed, n: 2 })).choices.map((choice) => choice.text);
  const [first, second, third] = [await text(11), await text(11), await text(12)];
  assert.deepEqual(second, first);
  assert.notDeepEqual(third, first);
  assert.notEqual(first[0], first[1], "the choices of one call differ");
  const unseeded = await Promise.all([complete(page, params), complete(page, params)]);
  assert.notEqual(unseeded[0].choices[0].text, unseeded[1].choices[0].text);
});

test("stop strings end the text before them, wherever token borders are", async (t) => {
  const page = await loaded(t);
  const params = { prompt: "the", max_tokens: 60, temperature: 1, seed: 5 };
  const { text } = (await complete(page, params)).choices[0];
  assert.ok(text.length > 40, text);
  for (let at = 2; at < 30; at += 3) {
    const stop = text.slice(at, at + 6); // longer than any token of the vocabulary
    const expected = text.slice(0, text.indexOf(stop));
    for (const given of [stop, ["never", stop]]) {
      const [whole] = (await complete(page, { ...params, stop: given })).choices;
      assert.equal(whole.text, expected, `stop ${JSON.stringify(given)} in ${text}`);
      assert.equal(whole.finish_reason, "stop");
    }
    const [streamed] = (await completeStreamed(page, { ...params, stop })).choices;
    assert.equal(streamed.text, expected, "nothing of the stop string leaks into the stream");
  }
});

test("max_tokens, the end of the context and the end of the text", async (t) => {
  const page = await loaded(t);
  const prompt = "the cat";
  const answer = await complete(page, { prompt, max_tokens: 5 });
  assert.equal(answer.choices[0].finish_reason, "length");
  assert.equal(answer.choices[0].token_ids.length, 5);
  const promptTokens = await page.evaluate((text) => window.engine.tokenize(text, { addSpecial: true }), prompt);
  assert.deepEqual(tokens(answer.usage), { prompt_tokens: promptTokens.length, completion_tokens: 5, total_tokens: promptTokens.length + 5 });

  const full = await complete(page, { prompt });
  assert.equal(full.choices[0].finish_reason, "length");
  assert.ok(Math.abs(full.usage.total_tokens - 256) <= 1, `the context of 256 is used up: ${full.usage.total_tokens}`);

  const end = await complete(page, { prompt, logit_bias: { 2: 100 }, temperature: 0 });
  assert.deepEqual([end.choices[0].finish_reason, end.choices[0].text], ["stop", ""]);
  const goesOn = await complete(page, { prompt, logit_bias: { 2: 100 }, temperature: 0, ignore_eos: true, max_tokens: 3 });
  assert.deepEqual([goesOn.choices[0].finish_reason, goesOn.choices[0].token_ids], ["length", [2, 2, 2]]);
});

test("tokenize tells where each token is", async (t) => {
  const page = await loaded(t);
  const text = "the cat, 猫 🐈 a</s>";
  const [unmarked, whole, ids] = await page.evaluate(async (input) => {
    const { engine } = window;
    const parsed = { addSpecial: true, parseSpecial: true };
    return [await engine.tokenize(input, { offsets: true }), await engine.tokenize(input, { ...parsed, offsets: true }), await engine.tokenize(input, { ...parsed, offsets: false })];
  }, text);
  assert.deepEqual(whole.ids, ids);
  assert.deepEqual([whole.offsets[0], whole.offsets.at(-1)], [[0, 0], [text.length - 4, text.length]], "BOS is nowhere, the marker where it stands");
  let reached = 0;
  for (const [start, end] of unmarked.offsets) {
    assert.ok(start <= reached && end >= reached, `${start} to ${end} after ${reached}`);
    reached = end;
  }
  assert.equal(reached, text.length, "every character has a token");
  // 猫 and the cat are no tokens: each of their bytes is one, which stands for the whole character.
  const places = unmarked.offsets.filter(([start, end]) => ["猫", "🐈"].includes(text.slice(start, end)));
  assert.equal(places.join(" "), "9,10 9,10 9,10 11,13 11,13 11,13 11,13");
});

test("prompts as ids, echo, and the tokenizer", async (t) => {
  const page = await loaded(t);
  const text = "the cat, 猫 🐈";
  const ids = await page.evaluate((input) => window.engine.tokenize(input, { addSpecial: true }), text);
  assert.equal(ids[0], 1, "the BOS token");
  const params = { max_tokens: 8, temperature: 0 };
  const fromText = await complete(page, { ...params, prompt: text });
  const fromIds = await complete(page, { ...params, prompt: ids });
  assert.deepEqual(fromIds.choices, fromText.choices);
  const echo = await complete(page, { ...params, prompt: text, echo: true });
  assert.equal(echo.choices[0].text, text + fromText.choices[0].text);
  const [without, round, count, special] = await page.evaluate(async (input) => {
    const { engine } = window;
    const plainIds = await engine.tokenize(input);
    return [plainIds, await engine.detokenize(plainIds), await engine.countTokens(input), await engine.tokenize("</s>", { parseSpecial: true })];
  }, text);
  assert.deepEqual(without, ids.slice(1));
  assert.equal(round.trimStart(), text);
  assert.equal(count, without.length);
  assert.deepEqual(special, [2]);
});

test("parallel calls are queued and do not disturb each other", async (t) => {
  const page = await loaded(t);
  const [alone, together] = await page.evaluate(async () => {
    const prompts = ["the", "a cat", "in", "her", "the man"];
    const ask = async (prompt, stream) => {
      const answer = await window.engine.completions.create({ prompt, stream, temperature: 1, seed: 4, max_tokens: 20 });
      return stream ? (await window.collect(answer)).map(({ choices }) => choices[0].text).join("") : answer.choices[0].text;
    };
    const one = [];
    for (const prompt of prompts) one.push(await ask(prompt, false));
    const calls = prompts.map((prompt, index) => ask(prompt, index % 2 === 0));
    const counted = window.engine.countTokens("the"); // a small call need not wait for a long one
    await counted;
    return [one, await Promise.all(calls)];
  });
  assert.deepEqual(together, alone);
});

test("an abort in prefill or decode: AbortError, and the next call is right", async (t) => {
  const page = await loaded(t, writeGguf(tinyModel({ dim: 256, blocks: 4, contextLength: 2048 })));
  const rounds = soak ? 50 : 5;
  const results = await page.evaluate(
    async ([count, prompts]) => {
      const { completions } = window.engine;
      const right = async () => {
        const { choices } = await completions.create({ prompt: "the cat", temperature: 0, max_tokens: 12, logit_bias: window.letters, return_token_ids: true });
        return choices[0].token_ids.join(" ");
      };
      const expected = await right();
      const { timings } = await completions.create({ prompt: prompts[0], max_tokens: 1 });
      const seen = { expected, prefillMs: timings.first_token_ms, prefill: [], decode: [], wrong: [] };
      for (let round = 1; round <= count; round += 1) {
        for (const phase of ["prefill", "decode"]) {
          const controller = new AbortController();
          let chunks = 0;
          // Each prompt begins in another way, so that nothing of it is in the cache.
          const prompt = phase === "prefill" ? prompts[round] : `${round}`;
          const outcome = await window.outcome(async () => {
            const stream = await completions.create({ prompt, stream: true, ignore_eos: true }, { signal: controller.signal });
            if (phase === "prefill") setTimeout(() => controller.abort(), (timings.first_token_ms * (round % 5)) / 8);
            for await (const chunk of stream) {
              chunks += chunk.choices.length;
              if (phase === "decode" && chunks === 1 + (round % 7)) controller.abort();
            }
          });
          seen[phase].push({ name: outcome.error?.name, chunks });
          const started = performance.now();
          const ids = await right();
          seen.wrong.push(...(ids === expected ? [] : [ids]));
          seen.longest = Math.max(seen.longest ?? 0, performance.now() - started);
        }
      }
      return seen;
    },
    [rounds, Array.from({ length: rounds + 1 }, (_, index) => `${index} ${"the cat ".repeat(200)}`)],
  );
  t.diagnostic(`prefill ${results.prefillMs.toFixed(0)} ms, longest call after an abort ${results.longest.toFixed(0)} ms`);
  assert.equal(results.prefill.length, rounds);
  for (const { name, chunks } of results.prefill) assert.deepEqual([name, chunks], ["AbortError", 0], "aborted before the first token");
  for (const { name } of results.decode) assert.equal(name, "AbortError");
  assert.deepEqual(results.wrong, [], `calls after an abort that did not give ${results.expected}`);
});

test("an aborted call in the queue leaves the others alone", async (t) => {
  const page = await loaded(t);
  const [aborted, others] = await page.evaluate(async () => {
    const controller = new AbortController();
    const params = { prompt: "the", temperature: 0, max_tokens: 60, logit_bias: window.letters };
    const ask = (options) => window.outcome(async () => (await window.engine.completions.create(params, options)).choices[0].text);
    const calls = [ask(), ask({ signal: controller.signal }), ask()];
    controller.abort();
    const [first, second, third] = await Promise.all(calls);
    return [second, [first, third, await ask()]];
  });
  assertAborted(aborted);
  assert.ok(others[0].value.length > 0);
  assert.deepEqual(others, [others[0], others[0], others[0]]);
});

test("load: URL, File, Blob, bytes, split files give the same engine; progress grows to the end", async (t) => {
  const url = harness.made("model.gguf", model);
  const split = splitGguf(tinyModel(), [5, 9]).map((part, index) => harness.made(`split-${index}.gguf`, part));
  const page = await harness.page(t);
  const results = await page.evaluate(
    async ([path, parts]) => {
      const bytes = new Uint8Array(await (await fetch(path)).arrayBuffer());
      const sources = [path, new URL(path, document.baseURI), new File([bytes], "x.gguf"), new Blob([bytes]), bytes, bytes.buffer, parts];
      const seen = [];
      for (const source of sources) {
        const progress = [];
        const engine = await window.tabmind.load(source, { cache: "none", onProgress: (step) => progress.push(step) });
        const { choices } = await engine.completions.create({ prompt: "the", max_tokens: 8, temperature: 0, return_token_ids: true });
        seen.push({ ids: choices[0].token_ids, info: engine.info, progress, size: bytes.byteLength });
        await engine.close();
      }
      return seen;
    },
    [url, split],
  );
  assert.equal(results.length, 7);
  for (const { ids, info, progress, size } of results) {
    assert.deepEqual(ids, results[0].ids);
    const { architecture, name, contextLength, vocabSize, backend, hasChatTemplate } = info;
    assert.deepEqual(
      { architecture, name, contextLength, vocabSize, backend, hasChatTemplate },
      { architecture: "llama", name: "tiny", contextLength: 256, vocabSize: 297, backend: "cpu", hasChatTemplate: true },
    );
    assert.ok(size > 0 && info.sizeBytes >= size && info.parameters > 10_000);
    assert.equal(progress.at(-1).phase, "ready");
    assert.ok(progress.every(({ loaded: bytes, total }) => bytes <= total && total > 0));
    assert.ok(progress.some(({ phase, loaded: bytes, total }) => phase === "download" && bytes === total));
  }
});

test("only the named model and the package's own files are fetched, and nothing while generating", async (t) => {
  harness.requests.length = 0;
  const page = await loaded(t);
  const before = harness.requests.length;
  await complete(page, { prompt: "the", max_tokens: 8 });
  assert.equal(harness.requests.length, before);
  const fromServer = new Set(harness.requests.map(({ path }) => path).filter((path) => path.startsWith("/made/") || /worker|tabmind|threads|seal|wgpu/u.test(path)));
  const reported = await page.evaluate(() => window.engine.networkRequests());
  assert.deepEqual(new Set(reported.map(({ url }) => new URL(url).pathname)), fromServer);
  assert.ok(fromServer.has("/made/model.gguf") && fromServer.size === 8, [...fromServer].join(" "));
  const bytes = reported.filter(({ url }) => url.endsWith("/made/model.gguf")).reduce((sum, request) => sum + request.bytes, 0);
  assert.ok(bytes >= model.length, `${bytes} bytes of ${model.length} reported`);
  assert.ok(reported.every(({ at }) => Math.abs(at - Date.now()) < 120_000), JSON.stringify(reported));
});

test("stats() are numbers; two engines live side by side", async (t) => {
  const page = await loaded(t);
  const [stats, other] = await page.evaluate(async () => {
    const second = await window.tabmind.load("/made/model.gguf", { cache: "none" });
    const params = { prompt: "the", temperature: 0, max_tokens: 8 };
    const answers = await Promise.all([window.engine, second].map((engine) => engine.completions.create(params)));
    await second.close();
    return [await window.engine.stats(), answers.map(({ choices }) => choices[0].text)];
  });
  assert.ok(stats.heapBytes > 1 << 16, JSON.stringify(stats));
  assert.equal(other[0], other[1]);
});

test("a real model tells the same story as through the command line", { skip: withoutAssets }, async (t) => {
  const golden = JSON.parse(readFileSync(join(assets, "goldens/models/stories260K.json"), "utf8")).variants.f32;
  const page = await harness.page(t);
  const texts = await page.evaluate(async (prompt) => {
    const engine = await window.tabmind.load("/weights/stories260K/stories260K.gguf", { cache: "none" });
    const params = { prompt, max_tokens: 64, temperature: 0 };
    const chunks = await window.collect(await engine.completions.create({ ...params, stream: true }));
    const noTemplate = await window.outcome(() => engine.chat.completions.create({ messages: [{ role: "user", content: "x" }] }));
    return { whole: (await engine.completions.create(params)).choices[0].text, streamed: chunks.map(({ choices }) => choices[0].text).join(""), noTemplate };
  }, golden.prompt);
  assert.ok(texts.whole.length > 100 && golden.text.startsWith(texts.whole), texts.whole);
  assert.equal(texts.streamed, texts.whole);
  assertError(texts.noTemplate, "template_error", /no chat template/u);
});
