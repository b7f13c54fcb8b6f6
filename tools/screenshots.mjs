/*
 * Pictures of the real page, for the README and for looking at.
 *
 *   node tools/screenshots.mjs <base URL> [--model URL] [--chat-model URL] [--out docs/screenshots] [--only desktop-light]
 *
 * --model continues a story, --chat-model (which needs a chat template) holds a conversation; both default to what the server offers in models.json: its first model, and no conversation.
 * Every picture is of what the page really does; the one trick is that the picture of the loading card fetches its model through a slow server, because a small model would be there before the shutter.
 */
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchChromium } from "./chromium.mjs";

const DEVICES = {
  desktop: { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1 },
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};
const THEMES = /** @type {const} */ (["light", "dark"]);
/** The same story in each picture, short enough to fit. */
const SETTINGS = { temperature: "0.7", seed: "7", max_tokens: "120" };
const QUESTION = "What does a key–value cache do?";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { model: { type: "string" }, "chat-model": { type: "string" }, out: { type: "string", default: "docs/screenshots" }, only: { type: "string" } },
});
const base = positionals[0];
if (!base) throw new Error("usage: node tools/screenshots.mjs <base URL> [--model URL] [--chat-model URL] [--out FOLDER] [--only DEVICE-THEME]");
const model = options.model ?? (await firstOffer(base));
await mkdir(options.out, { recursive: true });

const slow = await startSlowServer(model);
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
  slow.close();
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} name
 */
async function photograph(page, name) {
  const shoot = async (/** @type {string} */ state) => {
    const path = join(options.out, `${state}-${name}.png`);
    await page.screenshot({ path });
    console.log(path);
  };
  page.on("pageerror", (error) => console.error(`error in the page (${name}): ${error.message}`));

  await page.goto(base);
  await page.waitForLoadState("networkidle");
  await shoot("empty");

  await loadFrom(page, slow.url);
  await page.waitForFunction(() => (document.querySelector("#loading progress")?.value ?? 0) > 0.35);
  await shoot("loading");
  await page.click("#loading-cancel");

  await loadFrom(page, new URL("index.html", base).href);
  await page.waitForSelector(".error-card");
  await page.evaluate(() => scrollTo(0, 0));
  await page.locator(".error-card").scrollIntoViewIfNeeded();
  await shoot("error");

  await loadFrom(page, model);
  await page.waitForSelector("#work:not([hidden])");
  await page.click("#tab-complete");
  await page.click("#complete-run");
  await page.waitForSelector("#complete-edit:enabled");
  await shoot("complete");

  if (!options["chat-model"]) return;
  await changeModel(page, options["chat-model"]);
  await shoot("chat-empty");
  await page.fill("#chat-input", QUESTION);
  await page.press("#chat-input", "Enter");
  await page.waitForFunction(() => (document.querySelector(".message-assistant .message-body")?.textContent?.length ?? 0) > 220 || !document.querySelector(".streaming"));
  await shoot("chatting");
  await page.waitForFunction(() => !document.querySelector(".streaming"));
  await shoot("chat");
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} url
 */
async function loadFrom(page, url) {
  await page.fill("#model-url", url);
  await page.click("#url-form button");
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string} url
 */
async function changeModel(page, url) {
  if (!(await page.locator("#model-panel").getAttribute("open").then((open) => open !== null))) await page.click("#model-panel summary");
  await page.click("#model-change");
  await loadFrom(page, url);
  await page.waitForSelector("#work:not([hidden])");
  await page.click("#tab-chat");
}

/**
 * The address of the first model in the server's list.
 * @param {string} from
 */
async function firstOffer(from) {
  const list = new URL("models.json", from);
  const response = await fetch(list);
  if (!response.ok) throw new Error(`${list} answers ${response.status}: name a model with --model`);
  return new URL([(await response.json())[0].url].flat()[0], list).href;
}

/**
 * Serves one model at a few hundred kilobytes per second, to any origin. It knows byte ranges, for the engine reads the header first.
 * @param {string} source
 */
async function startSlowServer(source) {
  const response = /^https?:/.test(source) ? await fetch(source) : null;
  const body = Buffer.from(response?.ok ? await response.arrayBuffer() : new ArrayBuffer(0));
  const server = createServer(async (request, reply) => {
    const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "");
    const from = range ? Number(range[1]) : 0;
    const to = range?.[2] ? Math.min(Number(range[2]) + 1, body.length) : body.length;
    reply.writeHead(range ? 206 : 200, {
      "access-control-allow-origin": "*",
      "access-control-allow-headers": "*",
      "access-control-expose-headers": "*",
      "cross-origin-resource-policy": "cross-origin",
      "accept-ranges": "bytes",
      "content-length": to - from,
      ...(range ? { "content-range": `bytes ${from}-${to - 1}/${body.length}` } : {}),
    });
    if (request.method !== "GET") return reply.end();
    const step = Math.ceil(body.length / 40);
    for (let at = from; at < to && !reply.destroyed; at += step) {
      reply.write(body.subarray(at, Math.min(at + step, to)));
      await new Promise((resume) => setTimeout(resume, 150));
    }
    reply.end();
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(undefined)));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  return { url: `http://127.0.0.1:${port}/slow.gguf`, close: () => server.close() };
}
