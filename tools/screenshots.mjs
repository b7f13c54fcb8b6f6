/*
 * Pictures of the demo page, for the README and for looking at: each room, as somebody sees it who uses it.
 *
 *   node tools/screenshots.mjs [--model URL] [--out docs/screenshots] [--only desktop-light]
 *
 * --model continues a story in the second room; the default is the first that the demo's server offers.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchChromium } from "./chromium.mjs";
import { serve } from "./serve.mjs";
import { demoFolders, knownModels } from "./site.mjs";

const DEVICES = {
  desktop: { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 },
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 1.5, hasTouch: true, isMobile: true },
};
const THEMES = /** @type {const} */ (["light", "dark"]);
/** The same story in each picture, short enough to fit. */
const SETTINGS = { temperature: "0.7", seed: "7", max_tokens: "120" };
/** A busy machine takes its time. */
const PATIENCE_MS = 120_000;

const { values: options } = parseArgs({ options: { model: { type: "string" }, out: { type: "string", default: "docs/screenshots" }, only: { type: "string" } } });
await mkdir(options.out, { recursive: true });
const server = await serve({ folders: demoFolders, models: knownModels });
const model = options.model ?? (await firstStory());
const browser = await launchChromium();
try {
  for (const [device, shape] of Object.entries(DEVICES)) {
    for (const theme of THEMES) {
      const name = `${device}-${theme}`;
      if (options.only && options.only !== name) continue;
      const context = await browser.newContext({ ...shape, colorScheme: theme, reducedMotion: "reduce" });
      await context.addInitScript((settings) => localStorage.setItem("tabmind.settings", JSON.stringify(settings)), SETTINGS);
      await photograph(await context.newPage(), name);
      await context.close();
    }
  }
} finally {
  await browser.close();
  await server.close();
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
async function photograph(page, name) {
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => console.error(`error in the page (${name}): ${error.message}`));
  const shoot = async (/** @type {string} */ room) => {
    const path = join(options.out, `${room}-${name}.webp`);
    // The pointer, the focus and the scrolling of the last click say nothing.
    await page.mouse.move(0, 0);
    await page.evaluate(() => {
      if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
      scrollTo(0, 0);
    });
    await writeFile(path, await toWebp(await page.screenshot()));
    console.log(path);
  };
  const says = (/** @type {string} */ selector, /** @type {string} */ words) =>
    page.waitForFunction(([at, what]) => document.querySelector(at)?.textContent?.includes(what), [selector, words]);

  await page.goto(server.url);
  await says("#desk-status", "Filled in here");
  await shoot("form");

  await page.click("#tab-left");
  await says("#left-explain", "opens without a network");
  await page.fill("#savings-price", "0.6");
  await shoot("left");

  await page.click("#tab-bench");
  await page.click("#bench-run");
  await says("#bench-status", "Measured");
  await shoot("benchmark");

  await page.click("#tab-model");
  await shoot("models");
  await page.fill("#model-url", model);
  await page.press("#model-url", "Enter");
  await page.waitForSelector("#work:not([hidden])");
  await page.click("#tab-complete");
  await page.click("#complete-run");
  await page.waitForSelector("#complete-edit:enabled");
  await shoot("complete");
  await page.click("#tab-tokens");
  await page.click("#panel-tokens button[type=submit]");
  await page.click("#tokens-list button:nth-child(5)");
  await shoot("tokens");
}

/**
 * A third of the bytes of a PNG, by the browser that is there anyway.
 * @param {Buffer} png
 */
async function toWebp(png) {
  const blank = await browser.newPage();
  const base64 = await blank.evaluate(async (data) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height);
    canvas.getContext("2d")?.drawImage(image, 0, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/webp", quality: 0.85 })).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  }, png.toString("base64"));
  await blank.close();
  return Buffer.from(base64, "base64");
}

/** The address of the first model in the server's list that tells stories, and knows how. */
async function firstStory() {
  const offers = await (await fetch(new URL("models.json", server.url))).json();
  const offer = offers.find(({ name }) => name.includes("tinystories")) ?? offers[0];
  return [offer.url].flat()[0];
}
