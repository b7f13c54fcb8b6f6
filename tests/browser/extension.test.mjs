// The extension as a person uses it: panel, context menu, pages, models, and what happens when parts of it end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { useExtension } from "./extension-harness.mjs";

const message = "Hi, the printer on floor 3 is jammed again.\nI need it by Friday.\nAna Torres";
const paragraph = "The lighthouse keeper wrote down every ship that passed, its flag, its heading and the hour. ";
const pages = {
  "/desk": `<!doctype html><title>Ticket</title><p id="message" style="white-space: pre-line">${message}</p><textarea id="field">old text</textarea><input id="line">`,
  "/article": `<!doctype html><title>Ships</title><nav>Home Shop Login</nav><article><h1>The lighthouse</h1>${`<p>${paragraph.repeat(6)}</p>`.repeat(40)}</article>`,
};
// Small and quick; and one that writes for seconds.
const models = { "quick.gguf": { contextLength: 512 }, "slow.gguf": { dim: 512, blocks: 8, contextLength: 3072 } };
const extension = useExtension({ granted: true, pages, models });

const answer = (panel) => panel.locator(".message-assistant").last();
const textOf = (panel) => answer(panel).locator(".message-body").innerText();
const settled = (panel) => panel.waitForFunction(() => [...document.querySelectorAll(".message-assistant")].at(-1)?.getAttribute("aria-busy") === "false");
const writing = (panel) => panel.waitForFunction(() => ([...document.querySelectorAll(".message-assistant .message-body")].at(-1)?.textContent.length ?? 0) > 5);

/** Without waiting until the button rests: the answer may be there before. */
const stop = (panel) => panel.click("#stop", { force: true });

async function say(panel, text) {
  await panel.fill("#input", text);
  await panel.click("#send");
}

test("the panel is cross-origin isolated and fills a form by desk at once", async (t) => {
  const panel = await extension.panel(t);
  assert.equal(await panel.evaluate(() => crossOriginIsolated), true);
  await panel.fill("#input", message);
  await panel.click("[data-task=ticket]");
  await settled(panel);
  assert.match(await textOf(panel), /category\s+printing/u);
  assert.equal(await answer(panel).locator("tr").count(), 7);
});

test("the package loads the embedded model as any page does, and keeps no second copy", async (t) => {
  const panel = await extension.panel(t);
  const { name, cached, stored } = await panel.evaluate(async () => {
    const { cache, load } = await import("/tabmind.js");
    const engine = await load("embedded:desk", { threads: 2 });
    await engine.close();
    return { name: engine.info.name, cached: engine.info.cached, stored: await cache.list() };
  });
  assert.deepEqual([name, cached, stored], ["desk", false, []]);
});

test("selected text fills a form from the context menu, and a field of it goes where the cursor is", async (t) => {
  const panel = await extension.panel(t);
  const page = await extension.visit(t, "/desk");
  await page.evaluate(() => getSelection().selectAllChildren(document.querySelector("#message")));
  // What the menu tells has no line breaks; the extension reads the selection itself.
  await extension.menu(page, "ticket", { selectionText: message.replaceAll("\n", " ") });
  await panel.waitForSelector(".message-assistant");
  await settled(panel);
  assert.equal(await panel.locator(".message-user .message-body").last().innerText(), message);

  await page.focus("#line");
  const category = answer(panel).locator("tr", { hasText: "category" });
  await category.getByText("Insert").click();
  await page.waitForFunction(() => document.querySelector("#line").value === "printing");
});

test("without a field to insert into, the panel says so", async (t) => {
  const panel = await extension.panel(t);
  const page = await extension.visit(t, "/desk");
  await extension.menu(page, "ticket", { selectionText: message });
  await panel.waitForSelector(".form-table");
  await answer(panel).getByText("Insert").first().click();
  await panel.waitForFunction(() => document.querySelector("#notice").textContent.includes("cursor"));
});

test("desk does not pretend: other tasks ask for a general model, and can be tried again with one", async (t) => {
  const panel = await extension.panel(t);
  const page = await extension.visit(t, "/desk");
  assert.match(await panel.innerText("#welcome"), /desk.*only this/su);
  assert.equal(await panel.isVisible("#send"), false);
  await extension.menu(page, "summarise", { selectionText: message });
  await panel.waitForSelector(".message-assistant .problem-card");
  assert.match(await answer(panel).innerText(), /cannot chat.*Choose a model/su);
  await extension.choose(panel, "quick.gguf");
  await answer(panel).getByText("Try again").click();
  await panel.waitForFunction(() => !document.querySelector(".problem-card[role=alert] .row"));
  await settled(panel);
  assert.ok((await textOf(panel)).length > 20);
});

test("a chat streams, can be stopped, and its answer replaces the selection in a field", async (t) => {
  const panel = await extension.panel(t);
  const page = await extension.visit(t, "/desk");
  await extension.choose(panel, "slow.gguf");
  await say(panel, "hello");
  await writing(panel);
  await stop(panel);
  await settled(panel);
  assert.match(await answer(panel).innerText(), /Stopped\./u);

  await page.evaluate(() => document.querySelector("#field").select());
  await extension.menu(page, "rewrite");
  await panel.waitForFunction(() => document.querySelectorAll(".message-assistant").length === 2);
  assert.equal(await panel.locator(".message-user .message-body").last().innerText(), "old text");
  await writing(panel);
  await stop(panel);
  await settled(panel);
  await answer(panel).getByText("Insert").click();
  await page.waitForFunction(() => document.querySelector("#field").value.length > 20);
  assert.doesNotMatch(await page.inputValue("#field"), /old text/u);
});

test("a stream goes on while the service worker is killed", async (t) => {
  const panel = await extension.panel(t);
  await extension.choose(panel, "slow.gguf");
  await say(panel, "hello");
  await writing(panel);
  await extension.killServiceWorker(panel);
  const before = (await textOf(panel)).length;
  assert.equal(await answer(panel).getAttribute("aria-busy"), "true", "it was still writing when the service worker ended");
  await panel.waitForFunction((length) => [...document.querySelectorAll(".message-assistant .message-body")].at(-1).textContent.length > length + 20, before);
  await stop(panel);
  await settled(panel);
});

test("when the host itself ends, what was written stays and the end is told; the next question works", async (t) => {
  const panel = await extension.panel(t);
  await extension.choose(panel, "slow.gguf");
  await say(panel, "hello");
  await writing(panel);
  await (await extension.serviceWorker()).evaluate(() => chrome.offscreen.closeDocument());
  await panel.waitForSelector("#lost:visible");
  assert.match(await answer(panel).innerText(), /ended before the answer did/u);
  assert.ok((await textOf(panel)).length > 5);
  await say(panel, "again");
  await panel.waitForSelector("#lost", { state: "hidden" });
  await writing(panel);
  assert.equal(await panel.locator(".message-assistant").count(), 2, "the partial answer stays");
  await stop(panel);
  await settled(panel);
});

test("a panel that is opened later shows what is being written", async (t) => {
  const first = await extension.panel(t);
  await extension.choose(first, "slow.gguf");
  await say(first, "hello");
  await writing(first);
  await first.goto("about:blank");
  const second = await extension.open(t, "panel.html");
  await writing(second);
  assert.equal(await answer(second).getAttribute("aria-busy"), "true");
  await stop(second);
  await settled(second);
});

test("a page can be asked about: its article is read, cut to what fits, and that is said", async (t) => {
  const panel = await extension.panel(t);
  await extension.choose(panel, "quick.gguf");
  const page = await extension.visit(t, "/article");
  await extension.menu(page, "page");
  await panel.waitForSelector("#page:visible");
  assert.equal(await panel.innerText("#page-title"), "Ships");
  await say(panel, "What did the keeper do?");
  await settled(panel);
  assert.match(await answer(panel).innerText(), /first \d+ % of the text/u);
  await panel.click("#page-drop");
  await panel.waitForSelector("#page", { state: "hidden" });
});

test("the model is given the article without the page around it, and never more than fits", async (t) => {
  const panel = await extension.panel(t);
  const page = await extension.visit(t, "/article");
  const given = await panel.evaluate(async (url) => {
    const { readPage } = await import("./page-access.js");
    const { writeTurn } = await import("./host/writer.js");
    const [tab] = await chrome.tabs.query({ url });
    const text = await readPage(tab.id);
    const asked = [];
    // Counts words, and writes down what it is asked.
    const engine = {
      info: { contextLength: 300 },
      countTokens: async (messages) => messages.map(({ content }) => content).join(" ").split(/\s+/u).length,
      chat: { completions: { create: async (params) => (asked.push(params), []) } },
    };
    const entry = { kind: "chat", text: "", note: null };
    const turns = [["user", "old question ".repeat(80)], ["assistant", "old answer"], ["user", "What did the keeper do?"]];
    await writeTurn({ engine, entry, signal: new AbortController().signal, changed() {} }, turns.map(([role, content]) => ({ role, content })), text);
    return { ...asked[0], words: await engine.countTokens(asked[0].messages), note: entry.note };
  }, page.url());
  const [context, ...turns] = given.messages;
  assert.match(context.content, /The lighthouse keeper wrote down/u);
  assert.doesNotMatch(context.content, /Shop Login/u);
  assert.deepEqual(turns, [{ role: "user", content: "What did the keeper do?" }], "the old turn gave way");
  assert.ok(given.words <= 200 && given.words > 180, `${given.words} of 200 words`);
  assert.match(given.note, /first \d+ %/u);
});

test("a model that was downloaded works with the network gone, in a browser that has just started", async (t) => {
  const panel = await extension.panel(t);
  await extension.choose(panel, "quick.gguf");
  const bytes = extension.models["/quick.gguf"];
  t.after(() => (extension.models["/quick.gguf"] = bytes));
  delete extension.models["/quick.gguf"];
  await extension.context.setOffline(true);
  t.after(() => extension.context.setOffline(false));
  await (await extension.serviceWorker()).evaluate(() => chrome.offscreen.closeDocument());
  await panel.reload();
  await panel.waitForSelector("#send:visible");
  await say(panel, "hello");
  await settled(panel);
  assert.ok((await textOf(panel)).length > 20, await answer(panel).innerText());

  await panel.click("#model summary");
  await panel.waitForSelector("#stored li");
  assert.match(await panel.innerText("#stored"), /quick\.gguf/u);
});

test("a model comes from a file, and an error of loading is shown", async (t) => {
  const panel = await extension.panel(t);
  await panel.click("#model summary");
  await panel.setInputFiles("#load-file", { name: "mine.gguf", mimeType: "application/octet-stream", buffer: Buffer.from(extension.models["/quick.gguf"]) });
  await panel.waitForFunction(() => document.querySelector("#model-name").textContent === "mine.gguf" && document.querySelector("#model-state").textContent === "ready");
  await panel.click("#model summary");
  await panel.fill("#load-source", extension.address("none.gguf"));
  await panel.click("#load-form button");
  await panel.waitForSelector("#model-problem:visible");
  assert.match(await panel.innerText("#model-problem"), /404/u);
  await extension.choose(panel, "desk");
});
