// Opens an app in the browser as its user would, and tells what it shows and what it fetched.
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";

/**
 * @param {import("playwright-core").Browser} browser
 * @returns the text of the page once there is a form in it, its title, and the URLs that were requested, each once
 */
export async function open(browser, url) {
  const page = await browser.newPage();
  const requests = new Set();
  const failed = new Promise((_, reject) => page.once("pageerror", reject));
  page.on("request", (request) => requests.add(request.url()));
  try {
    await page.goto(url);
    const text = await Promise.race([page.getByText("{").textContent({ timeout: 30_000 }), failed]);
    const [title, processors] = await page.evaluate(() => [document.title, navigator.hardwareConcurrency]);
    return { text, title, processors, requests: [...requests] };
  } finally {
    await page.context().close();
    failed.catch(() => {});
  }
}

/** A form was written, with threads where there can be some, from one module and one model of this host. */
export function assertWorks({ text, title, processors, requests }, site, isolated) {
  assert.deepEqual(Object.keys(JSON.parse(text)), ["category", "priority", "summary", "requester", "asset", "location", "due"]);
  assert.equal(title, `threads: ${isolated ? Math.max(1, processors > 2 ? Math.min(processors - 1, 8) : processors) : 1}`);
  assert.deepEqual(requests.filter((url) => !url.startsWith(site)), []);
  for (const ending of [".wasm", ".gguf"]) assert.equal(requests.filter((url) => url.endsWith(ending)).length, 1, ending);
}

/** Bytes on the wire of these scripts, from a server that compresses. */
export async function gzipped(urls) {
  const sizes = urls.map(async (url) => gzipSync(await (await fetch(url)).arrayBuffer()).length);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
