// Chats with thoughts and tools, through the package and through OpenAI's own client, on a small random model.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertAborted, assertError, useHarness } from "./harness.mjs";

const harness = useHarness();

const template =
  "{% if tools %}tools: {% for tool in tools %}{{ tool.function.name }} {% endfor %}\n{% endif %}" +
  "{% for m in messages %}{{ m.role }}: {{ m.content }}{% for call in m.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}\n{% endfor %}" +
  "assistant: {% if enable_thinking %}<think>\n{% endif %}";
const markers = ["<tool_call>", "</tool_call>", "<think>", "</think>"];
const file = writeGguf(tinyModel({ template, markers, contextLength: 2048 }));
const marker = (text) => 297 + markers.indexOf(text); // behind the 297 tokens that every small model has

const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "The weather of a city.",
      parameters: {
        type: "object",
        properties: { city: { type: "string", maxLength: 6 }, unit: { type: "string", enum: ["celsius", "fahrenheit"] } },
        required: ["city", "unit"],
        additionalProperties: false,
      },
    },
  },
  { type: "function", function: { name: "now" } },
];
const messages = [{ role: "user", content: "Weather?" }];

function assertCall({ function: { name, arguments: json } }) {
  const args = JSON.parse(json);
  if (name === "now") return assert.deepEqual(args, {});
  assert.equal(name, "get_weather");
  assert.ok(args.city.length <= 6 && ["celsius", "fahrenheit"].includes(args.unit) && Object.keys(args).length === 2, json);
}

async function loaded(t) {
  const page = await harness.page(t);
  await page.evaluate(
    async (url) => {
      window.engine = await window.tabmind.load(url, { cache: "none" });
    },
    harness.made("chat.gguf", file),
  );
  return page;
}

/** A page with OpenAI's client over the engine. */
async function withClient(t) {
  const page = await loaded(t);
  await page.evaluate(async () => {
    const { default: OpenAI } = await import("openai");
    const { createFetch } = await import("tabmind/openai");
    window.OpenAI = OpenAI;
    window.client = new OpenAI({ apiKey: "none", baseURL: "https://tabmind.invalid/v1", fetch: createFetch(window.engine), dangerouslyAllowBrowser: true });
  });
  return page;
}

test("a required call is made, streamed as it is whole", async (t) => {
  const page = await loaded(t);
  for (const seed of [1, 2, 3, 4]) {
    const params = { messages, tools, tool_choice: "required", parallel_tool_calls: false, temperature: 1.5, seed, max_tokens: 100 };
    const { whole, chunks } = await page.evaluate(async (p) => {
      const { create } = window.engine.chat.completions;
      return { whole: (await create(p)).choices[0], chunks: await window.collect(await create({ ...p, stream: true })) };
    }, params);
    assert.equal(whole.finish_reason, "tool_calls");
    assert.deepEqual([whole.message.content, whole.message.tool_calls.length], [null, 1]);
    assertCall(whole.message.tool_calls[0]);
    const deltas = chunks.flatMap(({ choices }) => choices[0].delta.tool_calls ?? []);
    const [first, ...rest] = deltas;
    assert.ok(first.id.length > 0 && first.type === "function" && first.index === 0);
    assert.ok(rest.every(({ id, index }) => id === undefined && index === 0));
    assert.deepEqual(
      { name: first.function.name, arguments: deltas.map((delta) => delta.function.arguments).join("") },
      whole.message.tool_calls[0].function,
    );
    if (first.function.name === "get_weather") assert.ok(deltas.length > 5, "arguments stream");
    assert.equal(chunks.at(-1).choices[0].finish_reason, "tool_calls");
  }
});

test("thoughts come apart, in whole answers and in streams", async (t) => {
  const page = await loaded(t);
  const params = { messages, enable_thinking: true, max_tokens: 80, logit_bias: { [marker("</think>")]: 2.5 } };
  const { whole, usage, deltas } = await page.evaluate(async (p) => {
    const { create } = window.engine.chat.completions;
    // A random model now thinks for long, now not at all.
    for (let seed = 0; seed < 20; seed += 1) {
      const answer = await create({ ...p, seed });
      const { message } = answer.choices[0];
      if (message.reasoning_content === undefined || message.content === "") continue;
      const chunks = await window.collect(await create({ ...p, seed, stream: true }));
      return { whole: message, usage: answer.usage, deltas: chunks.map(({ choices }) => choices[0].delta) };
    }
  }, params);
  assert.ok(whole.reasoning_content.length > 0 && whole.content.length > 0, JSON.stringify(whole));
  assert.ok(usage.completion_tokens_details.reasoning_tokens > 0);
  const join = (key) => deltas.map((delta) => delta[key] ?? "").join("");
  assert.deepEqual({ content: join("content"), reasoning_content: join("reasoning_content") }, { content: whole.content, reasoning_content: whole.reasoning_content });
});

test("log-probabilities in both shapes", async (t) => {
  const page = await loaded(t);
  const { chat, chunks, completion, pieces } = await page.evaluate(async (m) => {
    const { engine } = window;
    const params = { messages: m, temperature: 0, max_tokens: 6, logprobs: true, top_logprobs: 2 };
    const legacy = { prompt: "the", temperature: 0, max_tokens: 6, logprobs: 2, echo: true };
    return {
      chat: (await engine.chat.completions.create(params)).choices[0],
      chunks: await window.collect(await engine.chat.completions.create({ ...params, stream: true })),
      completion: (await engine.completions.create(legacy)).choices[0],
      pieces: await window.collect(await engine.completions.create({ ...legacy, stream: true })),
    };
  }, messages);
  const { content } = chat.logprobs;
  assert.equal(content.length, 6);
  for (const { token, bytes, logprob, top_logprobs: top } of content) {
    assert.ok(logprob <= 0 && top.length === 2 && top[0].logprob >= top[1].logprob);
    assert.deepEqual([top[0].token, top[0].logprob], [token, logprob], "greedy takes the likeliest");
    assert.ok(bytes.length > 0);
  }
  assert.deepEqual(chunks.flatMap(({ choices }) => choices[0].logprobs?.content ?? []), content);
  const { tokens, token_logprobs: logprobs, top_logprobs: tops, text_offset: offsets } = completion.logprobs;
  assert.deepEqual(new Set([tokens.length, logprobs.length, tops.length, offsets.length]).size, 1);
  assert.equal(logprobs[0], null, "nothing precedes the first token");
  assert.ok(logprobs.slice(1).every((value) => value < 0) && offsets[0] === 0);
  const joined = (key) => pieces.flatMap(({ choices }) => choices[0].logprobs?.[key] ?? []);
  assert.deepEqual([joined("tokens"), joined("token_logprobs")], [tokens, logprobs]);
});

test("a second turn computes only what is new, and writes what a cold engine writes; two conversations both keep theirs", async (t) => {
  const page = await loaded(t);
  const result = await page.evaluate(async (url) => {
    const ask = async (engine, said) => {
      const { choices, usage, timings } = await engine.chat.completions.create({ messages: said, temperature: 0, max_tokens: 20, return_token_ids: true });
      return { message: choices[0].message, ids: choices[0].token_ids, usage, computed: timings.prompt_tokens };
    };
    const talks = ["Tell me of the sea.", "What is a mountain?"].map((content) => [{ role: "system", content: "You are brief. ".repeat(10) }, { role: "user", content }]);
    const turns = [];
    for (let turn = 0; turn < 3; turn += 1) {
      for (const talk of talks) {
        const warm = await ask(window.engine, talk);
        const cold = await window.tabmind.load(url, { cache: "none" });
        turns.push({ warm, cold: await ask(cold, talk) });
        await cold.close();
        talk.push({ role: "assistant", content: warm.message.content }, { role: "user", content: `And then ${turn}?` });
      }
    }
    return turns;
  }, harness.made("chat.gguf", file));
  for (const [index, { warm, cold }] of result.entries()) {
    assert.deepEqual(warm.ids, cold.ids, `turn ${index}`);
    const cached = warm.usage.prompt_tokens_details.cached_tokens;
    assert.equal(warm.computed, warm.usage.prompt_tokens - cached);
    assert.equal(cold.usage.prompt_tokens_details.cached_tokens, 0);
    if (index > 0) assert.ok(cached > 100, `turn ${index}: ${cached} cached`);
    if (index > 1) assert.ok(cached > warm.usage.prompt_tokens - 70, `turn ${index}: ${cached} of ${warm.usage.prompt_tokens} cached`);
    t.diagnostic(`turn ${index}: ${cached} of ${warm.usage.prompt_tokens} prompt tokens cached, ${warm.computed} computed`);
  }
});

test("runTools carries out calls until there are none", async (t) => {
  const page = await loaded(t);
  const result = await page.evaluate(async (open) => {
    const ran = [];
    const steps = [];
    const runnable = {
      get_weather: {
        description: "The weather of a city.",
        schema: { type: "object", properties: { city: { type: "string", maxLength: 4 } }, required: ["city"], additionalProperties: false },
        run: (args, call) => (ran.push({ args, id: call.id, aborted: call.signal.aborted }), { sky: "clear" }),
      },
      fails: { run: () => { throw new Error("no luck"); } },
    };
    const params = { messages: [{ role: "user", content: "Weather?" }], tools: runnable, parallel_tool_calls: false, seed: 3, max_tokens: 80, onStep: (completion, step) => steps.push(step) };
    const once = await window.engine.runTools({ ...params, tool_choice: { type: "function", function: { name: "get_weather" } }, maxSteps: 2, logit_bias: { [open]: -100 } });
    const failed = await window.engine.runTools({ ...params, tool_choice: { type: "function", function: { name: "fails" } }, maxSteps: 2, logit_bias: { [open]: -100 } });
    const endless = await window.engine.runTools({ ...params, maxSteps: 3, logit_bias: { [open]: 100 } });
    const controller = new AbortController();
    runnable.get_weather.run = () => controller.abort();
    const aborted = await window.outcome(() => window.engine.runTools({ ...params, tool_choice: { type: "function", function: { name: "get_weather" } } }, { signal: controller.signal }));
    const wrong = await window.outcome(() => window.engine.runTools({ ...params, tools: { a: { run: 1 } } }));
    return { once, failed, endless, aborted, wrong, ran, steps };
  }, marker("<tool_call>"));
  const { once, failed, endless, aborted, wrong, ran, steps } = result;
  assert.deepEqual(once.messages.map(({ role }) => role), ["assistant", "tool", "assistant"]);
  assert.deepEqual([once.messages[1].content, once.messages[1].tool_call_id], ['{"sky":"clear"}', once.messages[0].tool_calls[0].id]);
  assert.deepEqual(ran[0], { args: JSON.parse(once.messages[0].tool_calls[0].function.arguments), id: once.messages[0].tool_calls[0].id, aborted: false });
  assert.deepEqual([once.steps, once.text], [2, once.messages[2].content]);
  assert.equal(failed.messages[1].content, "Error: no luck");
  assert.deepEqual([endless.steps, endless.completion.choices[0].finish_reason], [3, "tool_calls"]);
  assertAborted(aborted);
  assertError(wrong, "invalid_request", /^tools\.a\.run: expected a function, found 1$/u);
  assert.deepEqual(steps, [1, 2, 1, 2, 1, 2, 3, 1]);
});

test("OpenAI's client: a conversation with streaming, tools, a schema and an abort", async (t) => {
  const page = await withClient(t);
  const seen = await page.evaluate(async (given) => {
    const { client, OpenAI } = window;
    const model = (await client.models.list()).data[0].id;
    const said = [{ role: "user", content: "Weather?" }];
    const common = { model, seed: 4, temperature: 1.5, max_tokens: 90 };
    // A call, streamed and put together by the client's own helper.
    const runner = client.chat.completions.stream({ ...common, messages: said, tools: given, tool_choice: "required", parallel_tool_calls: false });
    let deltas = 0;
    for await (const chunk of runner) deltas += chunk.choices[0]?.delta.tool_calls?.length ?? 0;
    const called = (await runner.finalChatCompletion()).choices[0];
    said.push(called.message, { role: "tool", tool_call_id: called.message.tool_calls[0].id, content: "clear" });
    // An answer in a form.
    const schema = { type: "object", properties: { ok: { type: "boolean" }, sky: { enum: ["clear", "grey"] } }, required: ["ok", "sky"], additionalProperties: false };
    const parsed = await client.chat.completions.parse({ ...common, messages: said, response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } } });
    said.push({ role: "assistant", content: parsed.choices[0].message.content }, { role: "user", content: "Go on." });
    // An abort in mid-stream, and by a signal.
    const stream = await client.chat.completions.create({ ...common, max_tokens: 1000, messages: said, stream: true });
    let chunks = 0;
    for await (const { object } of stream) {
      chunks += object === "chat.completion.chunk" ? 1 : 0;
      if (chunks === 3) stream.controller.abort();
    }
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const aborted = await client.chat.completions.create({ ...common, max_tokens: 1500, ignore_eos: true, messages: said }, { signal: controller.signal }).catch((error) => error instanceof OpenAI.APIUserAbortError);
    // The engine is at once usable; the legacy API and errors.
    const usage = await window.collect(await client.completions.create({ model, prompt: "the", max_tokens: 4, stream: true, stream_options: { include_usage: true } }));
    const refused = await client.chat.completions.create({ ...common, messages: said, temperature: -1 }).catch((error) => ({ isOurs: error instanceof OpenAI.BadRequestError, status: error.status, code: error.code, message: error.message }));
    const lost = await client.get("/nowhere").catch((error) => error.status);
    return { model, deltas, called, parsed: parsed.choices[0], chunks, aborted, usage: usage.at(-1).usage, refused, lost, requests: window.engine.networkRequests().map(({ url }) => url) };
  }, tools);
  assert.equal(seen.model, "tiny");
  assert.equal(seen.called.finish_reason, "tool_calls");
  seen.called.message.tool_calls.forEach(assertCall);
  assert.ok(seen.deltas > 0);
  assert.equal(seen.parsed.finish_reason, "stop");
  assert.equal(typeof seen.parsed.message.parsed.ok, "boolean");
  assert.ok(["clear", "grey"].includes(seen.parsed.message.parsed.sky));
  assert.ok(seen.chunks >= 3 && seen.chunks < 100, `${seen.chunks} chunks`);
  assert.equal(seen.aborted, true);
  assert.equal(seen.usage.completion_tokens, 4);
  assert.deepEqual({ isOurs: true, status: 400, code: "invalid_request", message: "400 temperature is -1; it must lie between 0 and 100" }, seen.refused);
  assert.equal(seen.lost, 400);
  assert.ok(seen.requests.every((url) => !url.includes("invalid")), "nothing leaves the page");
});
