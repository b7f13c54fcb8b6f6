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

test("a chosen model chats, stops and completes", async (t) => {
  const page = await demo.visit(t);
  await loadModel(page);
  await page.fill("#chat-input", "The printer is jammed. Ana");
  await page.press("#chat-input", "Enter");
  await page.waitForSelector(".message-assistant:not(.streaming) .message-note button");
  await page.click("#tab-complete");
  await page.click("#complete-run");
  await page.waitForSelector("#complete-edit:enabled");
  assert.ok((await page.textContent("#complete-story .story-continuation")).length > 0);
  await page.click("#tab-left");
  assert.equal(await page.textContent("#left-count"), "0");
});
