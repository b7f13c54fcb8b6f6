// The demo page for its tests: laid out as it is published, on hosts of each kind.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";
import { launchChromium } from "../../tools/chromium.mjs";
import { serve } from "../../tools/serve.mjs";
import { demoFolders } from "../../tools/site.mjs";
import { dist } from "./harness.mjs";

/**
 * @param {object} options
 * @param {string} [options.below] the path below which the page lies
 * @param {boolean} [options.isolated] whether the host sends COOP and COEP
 */
export function useDemo({ below = "/", isolated = true } = {}) {
  const demo = { requests: [] };

  before(async () => {
    assert.ok(existsSync(join(dist, "models", "desk.gguf")), "pkg/dist is not built: run `cargo xtask build`");
    const folders = Object.fromEntries(Object.entries(demoFolders).map(([prefix, folder]) => [below + prefix.slice(1), folder]));
    demo.start = async (port = 0) => {
      demo.site = await serve({ folders, isolated, port, handle: (request, response, path) => void demo.requests.push(`${request.method} ${path}`) });
    };
    await demo.start();
    demo.url = new URL(below.slice(1), demo.site.url).href;
    demo.browser = await launchChromium();
  });
  after(async () => {
    await demo.browser?.close();
    await demo.site?.close();
  });

  /** A page of somebody who comes for the first time. Its errors fail the test. */
  demo.visit = async (t, options = {}) => {
    const context = await demo.browser.newContext({ reducedMotion: "reduce", ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    const uncaught = [];
    page.on("pageerror", (error) => uncaught.push(error.stack ?? String(error)));
    page.on("console", (message) => message.type() === "error" && /Content Security Policy/u.test(message.text()) && uncaught.push(message.text()));
    t.after(async () => {
      await context.close();
      assert.deepEqual(uncaught, [], "errors that nobody caught in the page");
    });
    await page.goto(demo.url);
    await filled(page);
    return page;
  };
  return demo;
}

/** Waits until the form is filled in. */
export const filled = (page) => page.waitForFunction(() => document.querySelector("#desk-status")?.textContent.startsWith("Filled in here"));

/** Waits until the page is kept for use without a network. */
export const keptOffline = async (page) => {
  await page.click("#tab-left");
  await page.waitForFunction(() => /it opens without a network/u.test(document.querySelector("#left-explain")?.textContent ?? ""));
};

/** What stands in the form. */
export const readForm = (page) => page.evaluate(() => JSON.parse(document.querySelector("#desk-json").textContent));

/** Loads the page's own model by its address, in the second room. */
export async function loadModel(page) {
  await page.click("#tab-model");
  await page.fill("#model-url", "pkg/models/desk.gguf");
  await page.press("#model-url", "Enter");
  await page.waitForSelector("#work:not([hidden])");
}
