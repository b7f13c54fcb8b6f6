// The demo page's other rooms: a model that somebody chose, and the benchmark.
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadModel, useDemo } from "./demo.mjs";

const demo = useDemo();

test("the benchmark measures what this browser has, and says what it has not", async (t) => {
  const page = await demo.visit(t, { permissions: ["clipboard-read", "clipboard-write"] });
  await page.click("#tab-bench");
  await page.click("#bench-run");
  await page.waitForFunction(() => document.querySelector("#bench-status").textContent.startsWith("Measured"));
  const report = await page.textContent("#bench-report");
  assert.match(report, /^tabmind, desk, \d{4}-\d\d-\d\d\nCPU, 1 thread: decode [\d,.]+ tok\/s, prefill [\d,.]+ tok\/s\n/u);
  assert.match(report, /\nWebGPU[,:]/u);
  assert.equal(await page.locator("#bench-charts svg").count(), 2);
  await page.click("#bench-copy");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), report);
});

test("tabs have addresses, and arrow keys move between them", async (t) => {
  const page = await demo.visit(t);
  await page.focus("#tab-form");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await page.evaluate(() => document.activeElement.id), "tab-bench");
  assert.match(page.url(), /#benchmark$/u);
  await page.reload();
  assert.ok(await page.isVisible("#room-bench"));
  assert.ok(await page.isHidden("#room-form"));
});

test("a chosen model chats, answers again, gives a question back, and completes", async (t) => {
  const page = await demo.visit(t);
  await loadModel(page);
  await page.fill("#chat-input", "The printer is jammed. Ana");
  await page.press("#chat-input", "Enter");
  await page.waitForSelector(".message-assistant:not(.streaming) .message-note button");
  await page.click("text=Regenerate");
  await page.waitForSelector(".message-assistant:not(.streaming) .message-note button");
  assert.equal(await page.locator(".message").count(), 2);
  await page.click("text=Edit question");
  assert.equal(await page.inputValue("#chat-input"), "The printer is jammed. Ana");
  assert.equal(await page.locator(".message").count(), 0);

  await page.click("#tab-complete");
  await page.click("#complete-run");
  await page.waitForSelector("#complete-edit:enabled");
  assert.ok((await page.textContent("#complete-story .story-continuation")).length > 0);
  await page.click("#tab-left");
  assert.equal(await page.textContent("#left-count"), "0");
});

test("the playgrounds: a form that is kept, a tool that is called or refused, tokens with their probabilities", async (t) => {
  const page = await demo.visit(t);
  await loadModel(page);
  await page.click("#tab-structured");
  await page.selectOption("#structured-kind", "regex");
  await page.click("#panel-structured button[type=submit]");
  await page.waitForFunction(() => /^20\d\d-[01]\d-[0-3]\d$/u.test(document.querySelector("#structured-result").textContent));
  await page.selectOption("#structured-kind", "json_schema");
  await page.fill("#structured-form", "{ no schema");
  await page.click("#panel-structured button[type=submit]");
  await page.waitForSelector("#panel-structured .error-card");
  assert.match(await page.textContent("#panel-structured .error-card"), /invalid_request.*the schema/u);

  await page.click("#tab-tools");
  await page.click("#panel-tools button[type=submit]");
  await page.waitForSelector("#tools-result li, #panel-tools .error-card");

  await page.click("#tab-tokens");
  await page.click("#panel-tokens button[type=submit]");
  await page.waitForSelector("#tokens-list button");
  assert.match(await page.getAttribute("#tokens-list button:nth-child(2)", "aria-label"), /\d %$/u);
  await page.click("#tokens-list button:nth-child(4)");
  assert.equal(await page.locator("#tokens-result ol li").count(), 5);
});

test("models on the hub say that nobody has run them, and are asked for only when somebody wants to", async (t) => {
  const page = await demo.visit(t);
  await page.click("#tab-model");
  await page.click("#curated summary");
  assert.match(await page.textContent("#curated"), /None of these has been run with this page yet/u);
  await page.context().route(/huggingface/u, (route) => route.abort());
  await page.click("#curated-list li:first-child button:last-child");
  await page.waitForFunction(() => /^SmolLM2.*: /u.test(document.querySelector("#curated-note").textContent));
});
