// Whatever is wrong with a file, a server or a request: a TabmindError with the right code, and the page goes on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertError, useHarness } from "./harness.mjs";

const harness = useHarness();
const good = writeGguf(tinyModel());

/** The small model after `change`. */
function changed(change) {
  const gguf = tinyModel();
  change(gguf);
  return writeGguf(gguf);
}

/** A copy of the good file with bytes replaced. */
function patched(at, bytes) {
  const copy = Buffer.from(good);
  copy.set(bytes, at);
  return copy;
}

const u64 = (value) => new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
const tensor = (gguf, name) => gguf.tensors.find((candidate) => candidate.name === name);
/** Where the first metadata key's length is. */
const firstKey = 24;

const files = {
  "not a GGUF": [Buffer.from("This is a text file, and not a model at all."), "not_gguf", /GGUF/u],
  "an empty file": [Buffer.alloc(0), ["truncated_file", "not_gguf"], /empty|0 bytes|ends/u],
  "a few bytes": [good.subarray(0, 6), "truncated_file", /./u],
  "a header cut in its metadata": [good.subarray(0, 700), "truncated_file", /./u],
  "a header cut in its tensor table": [good.subarray(0, writeGguf({ ...tinyModel(), tensors: [] }).length + 40), "truncated_file", /./u],
  "tensor data cut off": [good.subarray(0, good.length - 1000), "truncated_file", /tensor|bytes/u],
  "a string longer than any file": [patched(firstKey, u64(2n ** 63n)), ["corrupt_file", "truncated_file"], /./u],
  "a string of all ones": [patched(firstKey, u64(2n ** 64n - 1n)), ["corrupt_file", "truncated_file"], /./u],
  "more tensors than any file": [patched(8, u64(2n ** 60n)), ["corrupt_file", "truncated_file"], /./u],
  "more metadata than any file": [patched(16, u64(2n ** 60n)), ["corrupt_file", "truncated_file"], /./u],
  "tensor dimensions that overflow": [
    changed((gguf) => (tensor(gguf, "output.weight").dims = [2 ** 40, 2 ** 40])),
    "corrupt_file",
    /output\.weight|dimension|overflow/u,
  ],
  "a tensor larger than the file": [changed((gguf) => (tensor(gguf, "output.weight").dims = [32, 2 ** 30])), ["truncated_file", "corrupt_file"], /output\.weight/u],
  "an unknown tensor type": [changed((gguf) => (tensor(gguf, "output.weight").type = 250)), "unsupported_quantization", /250/u],
  "an unsupported architecture": [
    changed((gguf) => (gguf.metadata.get("general.architecture").value = "perceptron")),
    "unsupported_architecture",
    /perceptron/u,
  ],
  "no architecture": [changed((gguf) => gguf.metadata.delete("general.architecture")), "corrupt_file", /general\.architecture/u],
  "a missing tensor": [changed((gguf) => (gguf.tensors = gguf.tensors.filter(({ name }) => name !== "blk.1.attn_k.weight"))), "corrupt_file", /blk\.1\.attn_k/u],
  "a tensor of the wrong shape": [
    changed((gguf) => {
      const [wrong, other] = ["blk.1.attn_q.weight", "blk.1.ffn_up.weight"].map((key) => tensor(gguf, key));
      [wrong.dims, wrong.bytes] = [other.dims, other.bytes];
    }),
    "corrupt_file",
    /blk\.1\.attn_q/u,
  ],
  "a missing hyper-parameter": [changed((gguf) => gguf.metadata.delete("llama.attention.head_count")), "corrupt_file", /head_count/u],
  "no heads": [changed((gguf) => (gguf.metadata.get("llama.attention.head_count").value = 0)), "corrupt_file", /head_count/u],
  "a version of the future": [patched(4, [99, 0, 0, 0]), "unsupported_version", /99/u],
  "version 1": [patched(4, [1, 0, 0, 0]), "unsupported_version", /1/u],
  "big-endian": [patched(4, [0, 0, 0, 3]), "unsupported_version", /endian/u],
  "no vocabulary": [changed((gguf) => gguf.metadata.delete("tokenizer.ggml.tokens")), "corrupt_file", /tokenizer\.ggml\.tokens|vocabulary/u],
  "no tokenizer at all": [
    changed((gguf) => [...gguf.metadata.keys()].filter((key) => key.startsWith("tokenizer.")).map((key) => gguf.metadata.delete(key))),
    "corrupt_file",
    /tokenizer\.ggml/u,
  ],
  "an unknown tokenizer": [
    changed((gguf) => (gguf.metadata.get("tokenizer.ggml.model").value = "runes")),
    ["unsupported_architecture", "corrupt_file"],
    /runes/u,
  ],
  "a web page instead of a model": [Buffer.from("<!DOCTYPE html><html><title>Not found</title></html>".padEnd(400)), "not_gguf", /HTML|web page/u],
};

const codes = (expected) => [expected].flat();

/** Fails unless the outcome has one of `expected`'s codes; then as assertError. */
function assertOneOf(outcome, expected, message) {
  const code = codes(expected).find((candidate) => candidate === outcome.error?.code) ?? codes(expected)[0];
  assertError(outcome, code, message);
}

test("the comparison can fail", () => {
  const outcome = { error: { name: "TabmindError", code: "network", message: "x", isTabmindError: true } };
  assert.throws(() => assertOneOf(outcome, ["not_gguf", "corrupt_file"]));
  assert.throws(() => assertOneOf(outcome, "network", /y/u));
  assert.throws(() => assertOneOf({ value: 1 }, "network"));
  assertOneOf(outcome, ["not_gguf", "network"], /x/u);
});

test("the file that the broken ones are made from is good", async (t) => {
  const page = await harness.page(t);
  await assertUsable(page);
});

/** The page still loads and runs a good model. */
async function assertUsable(page) {
  const length = await page.evaluate(async (url) => {
    const engine = await window.tabmind.load(url, { cache: "none" });
    const { choices } = await engine.completions.create({ prompt: "the", max_tokens: 4, return_token_ids: true, ignore_eos: true });
    await engine.close();
    return choices[0].token_ids.length;
  }, harness.made("good.gguf", good));
  assert.equal(length, 4);
}

for (const how of ["by URL", "as a File"]) {
  test(`broken files ${how}`, async (t) => {
    const page = await harness.page(t);
    for (const [name, [bytes, expected, message]] of Object.entries(files)) {
      await t.test(name, async () => {
        const url = harness.made(`${name.replaceAll(/\W/gu, "-")}.gguf`, bytes);
        const outcome = await page.evaluate(
          async ([path, asFile]) => {
            const source = asFile ? new File([await (await fetch(path)).blob()], "model.gguf") : path;
            return window.outcome(() => window.tabmind.load(source, { cache: "none" }));
          },
          [url, how === "as a File"],
        );
        assertOneOf(outcome, expected, message);
      });
    }
    assert.ok(await page.evaluate(() => window.workers.every(({ terminated }) => terminated)), "no worker stays behind");
    await assertUsable(page);
  });
}

test("servers that misbehave", async (t) => {
  const page = await harness.page(t);
  const load = (model) => page.evaluate((url) => window.outcome(() => window.tabmind.load(url, { cache: "none" })), model);
  assertError(await load("/fault/404.gguf"), "http_status", /404/u);
  assertError(await load("/fault/500.gguf"), "http_status", /500/u);
  assertError(await load("/fault/page.gguf"), "not_gguf", /HTML|web page/u);
  assertOneOf(await load("/fault/cut.gguf"), ["network", "truncated_file"], /./u);
  const unreachable = await load("http://127.0.0.1:1/x.gguf");
  assertError(unreachable, "network", /127\.0\.0\.1:1/u);
  assert.match(unreachable.error.hint, /CORS/u);
  assertOneOf(await load("nonsense:x"), ["network", "invalid_request"], /nonsense/u);
  const hanging = await page.evaluate(() => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 200);
    return window.outcome(() => window.tabmind.load("/fault/hang.gguf", { cache: "none", signal: controller.signal }));
  });
  assert.equal(hanging.error?.name, "AbortError");
  assert.ok(await page.evaluate(() => window.workers.every(({ terminated }) => terminated)), "no worker stays behind");
  await assertUsable(page);
});

const requests = {
  "{ temperature: -1 }": /temperature.*-1/u,
  "{ temperature: 'hot' }": /temperature/u,
  "{ temprature: 1 }": /temprature/u,
  "{ top_p: 1.5 }": /top_p/u,
  "{ top_k: -1 }": /top_k/u,
  "{ min_p: 2 }": /min_p/u,
  "{ max_tokens: 0 }": /max_tokens/u,
  "{ max_tokens: 1.5 }": /max_tokens/u,
  "{ max_tokens: '5' }": /max_tokens/u,
  "{ n: 0 }": /\bn\b/u,
  "{ stop: 3 }": /stop/u,
  "{ stop: '' }": /stop/u,
  "{ seed: 'x' }": /seed/u,
  "{ logit_bias: { 9999999: 1 } }": /logit_bias/u,
  "{ logit_bias: { 1: 1000 } }": /logit_bias/u,
  "{ presence_penalty: 9 }": /presence_penalty/u,
  "{ frequency_penalty: 9 }": /frequency_penalty/u,
  "{ repetition_penalty: 0 }": /repetition_penalty/u,
  "{ ignore_eos: 1 }": /ignore_eos/u,
  "{ prompt: undefined }": /prompt/u,
  "{ prompt: '' }": null, // the BOS token alone is a prompt
  "{ prompt: [] }": /prompt/u,
  "{ prompt: [1, -5] }": /prompt/u,
  "{ prompt: [1, 99999999] }": /prompt/u,
  "{ prompt: 5 }": /prompt/u,
  "{ messages: [] }": /messages/u,
};

const chats = {
  "{}": /messages/u,
  "{ messages: 'hello' }": /messages/u,
  "{ messages: [] }": /messages/u,
  "{ messages: [{ role: 'user' }] }": /messages\[0\]|content/u,
  "{ messages: [{ role: 'king', content: 'x' }] }": /role|king/u,
  "{ messages: [{ role: 'user', content: 5 }] }": /content/u,
  "{ messages: [{ role: 'user', content: 'x' }], prompt: 'x' }": /prompt/u,
  "{ messages: [{ role: 'user', content: 'x' }], max_tokens: 1, max_completion_tokens: 2 }": /max_completion_tokens/u,
};

const loads = {
  "{ backend: 'tpu' }": /backend|tpu/u,
  "{ contextLength: 0 }": /contextLength/u,
  "{ contextLength: -1 }": /contextLength/u,
  "{ contextLength: 1e12 }": /contextLength/u,
  "{ threads: 0 }": /threads/u,
  "{ tokensInFlight: 17 }": /tokensInFlight is 17/u,
  "{ cache: 'floppy' }": /cache|floppy/u,
  "{ speed: 'fast' }": /speed/u,
};

test("invalid parameters name the field, and the engine stays usable", async (t) => {
  const url = harness.made("good.gguf", good);
  const page = await harness.page(t);
  await page.evaluate(async (model) => {
    window.engine = await window.tabmind.load(model, { cache: "none" });
  }, url);
  const check = (call, message) =>
    t.test(call, async () => {
      const outcome = await page.evaluate(`outcome(() => ${call})`);
      if (message === null) assert.equal(outcome.error, undefined, JSON.stringify(outcome));
      else assertError(outcome, "invalid_request", message);
    });
  for (const [params, message] of Object.entries(requests)) {
    await check(`engine.completions.create({ prompt: "the", max_tokens: 2, ...${params} })`, message);
    await check(`engine.completions.create({ prompt: "the", max_tokens: 2, stream: true, ...${params} })`, message);
  }
  for (const [params, message] of Object.entries(chats)) await check(`engine.chat.completions.create({ max_tokens: 2, ...${params} })`, message);
  for (const [options, message] of Object.entries(loads)) await check(`tabmind.load("${url}", ${options})`, message);
  await check("engine.tokenize('x', { addSpecials: true })", /addSpecials/u);
  await check("engine.applyChatTemplate([{ role: 'user', content: 'x' }], { prompt: true })", /prompt/u);
  await check("engine.detokenize([4000000000])", /4000000000/u);
  await check("engine.countTokens({ role: 'user' })", /messages|input/u);

  await t.test("a prompt that does not fit into the context", async () => {
    for (const call of [
      "engine.completions.create({ prompt: 'the cat '.repeat(200) })",
      "engine.completions.create({ prompt: 'the cat '.repeat(200), stream: true })",
      "engine.chat.completions.create({ messages: [{ role: 'user', content: 'the cat '.repeat(200) }] })",
    ]) {
      const outcome = await page.evaluate(`outcome(() => ${call})`);
      assertError(outcome, "context_overflow", /256/u);
      assert.match(outcome.error.hint, /contextLength|[Ss]horten/u);
    }
  });

  const ids = await page.evaluate(async () => {
    const { choices } = await window.engine.completions.create({ prompt: "the", max_tokens: 4, return_token_ids: true, ignore_eos: true });
    return choices[0].token_ids;
  });
  assert.equal(ids.length, 4, "the engine still works");

  await t.test("calls after close()", async () => {
    const outcome = await page.evaluate(async () => {
      await window.engine.close();
      return window.outcome(() => window.engine.completions.create({ prompt: "the" }));
    });
    assertError(outcome, "closed");
  });
  await assertUsable(page);
});

test("a chat template that fails or refuses", async (t) => {
  const page = await harness.page(t);
  const templates = {
    "{{ raise_exception('no system messages') }}": /no system messages/u,
    "{% for %}": /./u,
    "{{ messages[0].content.nothing.nothing }}": /./u,
    "{% for i in range(99999999) %}{% for j in range(99999999) %}x{% endfor %}{% endfor %}": /./u,
  };
  for (const [template, message] of Object.entries(templates)) {
    await t.test(template, async () => {
      const url = harness.made("template.gguf", changed((gguf) => (gguf.metadata.get("tokenizer.chat_template").value = template)));
      const [outcome, completed] = await page.evaluate(async (model) => {
        let text;
        const result = await window.outcome(async () => {
          const engine = await window.tabmind.load(model, { cache: "none" }); // may refuse what is no template at all
          ({ text } = (await engine.completions.create({ prompt: "the", max_tokens: 2 })).choices[0]);
          return engine.chat.completions.create({ messages: [{ role: "user", content: "x" }] });
        });
        return [result, text];
      }, url);
      assertError(outcome, "template_error", message);
      if (template !== "{% for %}") assert.equal(typeof completed, "string", "completion works without the template");
    });
  }
});

test("logits that are no numbers", async (t) => {
  const url = harness.made("nan.gguf", changed((gguf) => tensor(gguf, "output_norm.weight").bytes.fill(0xff)));
  const page = await harness.page(t);
  const outcome = await page.evaluate(async (model) => {
    const engine = await window.tabmind.load(model, { cache: "none" });
    return window.outcome(() => engine.completions.create({ prompt: "the" }));
  }, url);
  assertError(outcome, "numeric_error");
  await assertUsable(page);
});
