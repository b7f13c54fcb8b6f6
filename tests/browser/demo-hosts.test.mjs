// The demo page on hosts that know nothing of it: below a path, without headers, and without a network.
import assert from "node:assert/strict";
import { test } from "node:test";
import { filled, keptOffline, readForm, useDemo } from "./demo.mjs";

const demo = useDemo({ below: "/some/where/", isolated: false });

test("without headers there is one thread; its service worker brings isolation with the next visit", async (t) => {
  const page = await demo.visit(t);
  assert.equal(await page.evaluate(() => crossOriginIsolated), false);
  assert.match(await page.textContent("#device"), /one: this host does not isolate the page/u);
  await keptOffline(page);
  await page.goto(demo.url);
  await filled(page);
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
  assert.match(await page.textContent("#device"), /up to/u);
  assert.ok(demo.requests.every((request) => request.split(" ")[1].startsWith("/some/where/") || request.endsWith("favicon.ico")), demo.requests.join());
});

test("it opens again when the server is gone", async (t) => {
  const page = await demo.visit(t);
  await keptOffline(page);
  const { port } = demo.site;
  await demo.site.close();
  try {
    await page.goto(demo.url);
    await filled(page);
    assert.equal((await readForm(page)).category, "printing");
    await page.click("#tab-left");
    assert.equal(await page.textContent("#left-count"), "0");
  } finally {
    await demo.start(port);
  }
});

test("cut off by its own switch, the page reaches nothing and still opens", async (t) => {
  const page = await demo.visit(t);
  await keptOffline(page);
  await page.waitForSelector("#left-cut:enabled");
  await page.click("#left-cut");
  await page.waitForFunction(() => document.querySelector("#left-cut").checked);
  demo.requests.length = 0;
  assert.equal(await page.evaluate(() => fetch("./README.md").then(() => "reached", () => "refused")), "refused");
  await page.goto(demo.url);
  await filled(page);
  assert.deepEqual(demo.requests, []);
  await page.click("#tab-left");
  await page.waitForSelector("#left-cut:checked");
  await page.click("#left-cut");
  await page.waitForFunction(() => fetch("./logo.svg?again").then((response) => response.ok, () => false));
});

test("what a host needs to install it is there", async (t) => {
  const page = await demo.visit(t);
  const manifest = await page.evaluate(async () => (await fetch(document.querySelector('link[rel="manifest"]').href)).json());
  for (const { src } of manifest.icons) assert.equal(await page.evaluate(async (url) => (await fetch(url)).status, src), 200, src);
  const client = await page.context().newCDPSession(page);
  const { installabilityErrors } = await client.send("Page.getInstallabilityErrors");
  assert.deepEqual(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito"), []);
});
