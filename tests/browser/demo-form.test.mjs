// The demo page's first room, and what left the page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { filled, keptOffline, readForm, useDemo } from "./demo.mjs";

const demo = useDemo();

test("the page opens with a message that becomes a form", async (t) => {
  const page = await demo.visit(t);
  const form = await readForm(page);
  assert.equal(form.category, "printing");
  assert.deepEqual(Object.keys(form), ["category", "priority", "summary", "requester", "asset", "location", "due"]);
  assert.equal(await page.inputValue("#desk-field-category"), "printing");
  const words = await page.locator(".sure-words").allTextContents();
  assert.equal(words.length, 7);
  for (const said of words) assert.match(said, /^(?:check, )?\d+ % sure$/u);
  assert.ok(words.some((said) => said.startsWith("check")), "low confidence asks for a look");
  assert.match(await page.textContent("#desk-schema"), /"additionalProperties": false/u);
});

test("a pasted message, an invoice and a correction by hand", async (t) => {
  const page = await demo.visit(t);
  const before = await page.textContent("#desk-json");
  await page.fill("#desk-text", "The wifi in building C is down. Ana Petrova");
  await page.waitForFunction((old) => document.querySelector("#desk-json").textContent.endsWith("}") && document.querySelector("#desk-json").textContent !== old, before);
  await filled(page);
  assert.notEqual((await readForm(page)).category, "printing");

  await page.check('input[value="invoice"]', { force: true });
  await page.waitForSelector('[data-sure] #desk-field-total');
  await page.waitForFunction(() => document.querySelectorAll('[data-sure="sure"], [data-sure="unsure"]').length === 8);
  assert.equal((await readForm(page)).invoice_number, "INV-7731");

  await page.fill("#desk-field-total", "12.5");
  assert.equal((await readForm(page)).total, 12.5);
  assert.equal(await page.textContent("#desk-field-total-sure"), "edited by you");
});

test("a message that is too long is an error with a way out", async (t) => {
  const page = await demo.visit(t);
  await page.fill("#desk-text", "The printer is jammed. ".repeat(800));
  await page.waitForSelector("#desk-error .error-card");
  assert.equal(await page.textContent("#desk-error code"), "context_overflow");
  await page.click("#desk-error .error-actions button:last-child");
  await page.click("#desk-samples button");
  await filled(page);
});

test("nothing leaves the page while it is used", async (t) => {
  const page = await demo.visit(t);
  await keptOffline(page);
  assert.equal(await page.textContent("#left-count"), "0");
  const asked = [];
  page.context().on("request", (request) => asked.push(request.url()));
  demo.requests.length = 0;
  await page.click("#tab-form");
  for (const sample of await page.locator("#desk-samples button").all()) await sample.click();
  await page.fill("#desk-text", "My secret: the laptop LT-30417 is broken.");
  await page.waitForFunction(() => document.querySelector("#desk-json").textContent.includes("LT-30417"));
  await filled(page);
  await page.click("#tab-left");
  assert.deepEqual({ asked, served: demo.requests }, { asked: [], served: [] });
  assert.equal(await page.textContent("#left-count"), "0");
  assert.match(await page.textContent("#network-line"), /nothing has left this page/u);

  // The list can tell: a request that the page does make is in it, in red.
  await page.evaluate(() => fetch("./logo.svg?late"));
  await page.waitForFunction(() => document.querySelector("#left-count").textContent === "1");
  assert.match(await page.textContent("#left-list .late"), /logo\.svg\?late/u);
});

test("the seal is on, is remembered, and can be put on later", async (t) => {
  const page = await demo.visit(t);
  await page.click("#tab-left");
  assert.match(await page.textContent("#left-seal-note"), /desk: sealed/u);
  await page.click("#left-seal");
  await page.reload();
  await filled(page);
  assert.match(await page.textContent("#left-seal-note"), /desk: open/u);
  await page.click("#left-seal");
  await page.waitForFunction(() => /desk: sealed/u.test(document.querySelector("#left-seal-note").textContent));
});

test("tokens are counted, and priced at what somebody types", async (t) => {
  const page = await demo.visit(t);
  await page.click("#tab-left");
  const tokens = Number(await page.textContent("#savings-tokens"));
  assert.ok(tokens > 50, `${tokens} tokens`);
  await page.fill("#savings-price", "1000000");
  assert.match(await page.textContent("#savings-cost"), /would have cost [\d,.]+ there/u);
});
