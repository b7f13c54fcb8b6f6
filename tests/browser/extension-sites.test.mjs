// The extension as a site meets it: nothing without consent, and within limits with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CALLS_PER_MINUTE } from "../../extension/host/limits.js";
import { useExtension } from "./extension-harness.mjs";

const site = `<!doctype html><title>A site</title><button id="ask">Ask</button><iframe src="/frame"></iframe><script>
  window.call = async (params, options) => {
    try {
      return { value: await window.tabmind.chat.completions.create(params, options) };
    } catch ({ name, code, message, hint }) {
      return { error: { name, code, message, hint } };
    }
  };
  // Nobody has touched the page yet. (What a test evaluates counts as a gesture.)
  window.quiet = call({ messages: [{ role: "user", content: "hi" }], max_tokens: 4 });
  document.querySelector("#ask").onclick = () => (window.asked = call({ messages: [{ role: "user", content: "hi" }], max_tokens: 4 }));
</script>`;
const pages = { "/site": site, "/frame": "<!doctype html><title>Frame</title>" };
const models = { "quick.gguf": { contextLength: 512 }, "slow.gguf": { dim: 512, blocks: 8, contextLength: 3072 } };
const offered = useExtension({ granted: true, pages, models });
const installed = useExtension({ granted: false, pages });

const messages = [{ role: "user", content: "hi" }];
const call = (page, params) => page.evaluate((given) => window.call(given), { messages, max_tokens: 4, ...params });
const asked = (page) => page.evaluate(() => window.asked);

/** A page of the site, and the options page with nothing decided yet. */
async function visit(t) {
  const options = await offered.open(t, "options.html");
  for (const button of await options.locator("#sites button").all()) await button.click();
  await options.waitForSelector("#none:visible");
  return { options, page: await offered.visit(t, "/site") };
}

/** Clicks the page's button, and presses one in the window that asks. */
async function decide(page, button) {
  const [prompt] = await Promise.all([offered.context.waitForEvent("page"), page.click("#ask")]);
  await prompt.waitForSelector("#origin:not(:empty)");
  assert.equal(await prompt.innerText("#origin"), new URL(page.url()).origin);
  if (button === "close") await prompt.close();
  // The window closes itself, perhaps before a click from outside would have been told of.
  else await Promise.all([prompt.waitForEvent("close"), prompt.evaluate((id) => setTimeout(() => document.querySelector(id).click()), button)]);
}

/** The options page is told of a decision when the page is, not before. */
const listed = (options, pattern) => options.locator("#sites").getByText(pattern).waitFor();

const quiet = (page) => page.evaluate(() => window.quiet);

/** What a page that has just been opened can find out without asking anybody. */
async function visible(page) {
  await page.reload();
  return page.evaluate(async () => {
    const describe = (object) => Object.entries(Object.getOwnPropertyDescriptors(object)).map(([name, { value, ...flags }]) => [name, typeof value === "function" ? value.toString() : describe(value), flags]);
    return { shape: describe(window.tabmind), frozen: Object.isFrozen(window.tabmind), refusal: await window.quiet };
  });
}

test("as installed, no page can tell that the extension is there", async (t) => {
  const page = await installed.visit(t, "/site");
  assert.equal(await page.evaluate(() => "tabmind" in window), false);
  const options = await installed.open(t, "options.html");
  await options.waitForFunction(() => document.querySelector("#state").textContent === "off");
});

test("a page without permission sees the same whatever model there is, and frames see nothing", async (t) => {
  const { page } = await visit(t);
  const panel = await offered.panel(t);
  await offered.choose(panel, "desk");
  const withDesk = await visible(page);
  assert.equal(withDesk.refusal.error.code, "not_allowed");
  await offered.choose(panel, "quick.gguf");
  assert.deepEqual(await visible(page), withDesk);
  assert.equal(await page.frames()[1].evaluate(() => "tabmind" in window), false);
  await page.evaluate(() => (window.tabmind = 1));
  assert.equal(await page.evaluate(() => typeof window.tabmind), "object", "a page cannot replace it for its other scripts");
});

test("granted: the call that asked is answered, and later ones without a question", async (t) => {
  const { options, page } = await visit(t);
  const panel = await offered.panel(t);
  await offered.choose(panel, "quick.gguf");
  await decide(page, "#allow");
  const { value } = await asked(page);
  assert.equal(value.object, "chat.completion");
  assert.equal(value.usage.completion_tokens, 4);
  assert.equal(value.choices[0].finish_reason, "length");
  await listed(options, /127\.0\.0\.1/u);
  await listed(options, /Allowed/u);

  const chunks = await page.evaluate(async (given) => {
    const seen = [];
    for await (const chunk of await window.tabmind.chat.completions.create({ messages: given, stream: true, max_tokens: 6 })) seen.push(chunk);
    return seen;
  }, messages);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
  assert.ok(chunks.every(({ object }) => object === "chat.completion.chunk") && chunks.length > 2);

  const wrong = await call(page, { max_token: 4 });
  assert.equal(wrong.error.code, "invalid_request");
  assert.match(wrong.error.message, /max_token/u);
});

test("denied: the call is refused, and the next one too, without a question", async (t) => {
  const { options, page } = await visit(t);
  await decide(page, "#block");
  const first = await asked(page);
  assert.equal(first.error.code, "not_allowed");
  await listed(options, /Blocked/u);
  const tabs = offered.context.pages().length;
  await page.click("#ask");
  assert.deepEqual(await asked(page), first);
  assert.equal(offered.context.pages().length, tabs);
});

test("revoked in mid-stream: what was written stays with the page, then comes the refusal", async (t) => {
  const { options, page } = await visit(t);
  const panel = await offered.panel(t);
  await offered.choose(panel, "slow.gguf");
  await decide(page, "#allow");
  await asked(page);
  await page.evaluate((given) => {
    window.seen = [];
    window.ended = (async () => {
      try {
        for await (const chunk of await window.tabmind.chat.completions.create({ messages: given, stream: true })) window.seen.push(chunk);
      } catch ({ code }) {
        return code;
      }
    })();
  }, messages);
  await page.waitForFunction(() => window.seen.length > 5);
  await options.getByText("Take back").click();
  assert.equal(await page.evaluate(() => window.ended), "not_allowed");
  await page.reload();
  assert.equal((await quiet(page)).error.code, "not_allowed");
});

test("a page can abort, and a stream that is left ends in the engine", async (t) => {
  const { page } = await visit(t);
  const panel = await offered.panel(t);
  await offered.choose(panel, "slow.gguf");
  await decide(page, "#allow");
  await asked(page);
  const aborted = await page.evaluate(async (given) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 200);
    return (await window.call({ messages: given }, { signal: controller.signal })).error;
  }, messages);
  assert.equal(aborted.name, "AbortError");
  const first = await page.evaluate(async (given) => {
    for await (const chunk of await window.tabmind.chat.completions.create({ messages: given, stream: true })) return chunk.object;
  }, messages);
  assert.equal(first, "chat.completion.chunk");
  assert.ok((await call(page)).value, "the model is free again");
});

test("a site that asks too often is told when to come back", async (t) => {
  const { page } = await visit(t);
  const panel = await offered.panel(t);
  await offered.choose(panel, "quick.gguf");
  await decide(page, "#allow");
  await asked(page);
  const outcomes = await page.evaluate(async ([given, count]) => {
    const all = [];
    for (let at = 0; at < count; at += 1) all.push(await window.call({ messages: given, max_tokens: 1 }));
    return all;
  }, [messages, CALLS_PER_MINUTE]);
  const refused = outcomes.filter(({ error }) => error);
  assert.ok(refused.length > 0 && refused.every(({ error }) => error.code === "rate_limited" && /\d+ s/u.test(error.hint)), JSON.stringify(refused.at(-1)));
});

// The last one, because the rest after a closed window is ten minutes.
test("without a click nobody is asked; a window that is closed is a refusal for a while", async (t) => {
  const { page } = await visit(t);
  const tabs = offered.context.pages().length;
  const refusal = await quiet(page);
  assert.equal(refusal.error.code, "not_allowed");
  assert.equal(offered.context.pages().length, tabs);
  await decide(page, "close");
  assert.deepEqual(await asked(page), refusal);
  await page.click("#ask");
  assert.deepEqual(await asked(page), refusal);
  assert.equal(offered.context.pages().length, tabs);
});
