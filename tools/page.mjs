// A blank page in headless Chromium, beside which the built package and some models are served.
import { launchChromium } from "./chromium.mjs";
import { serve } from "./serve.mjs";
import { packageFolder } from "./site.mjs";

const blank = '<!doctype html><meta charset="utf-8"><title>tabmind</title><link rel="icon" href="data:,">';

/**
 * @param {object} options
 * @param {string[]} options.models GGUF files to serve
 * @param {Record<string, string>} [options.folders] further folders to serve
 * @param {string[]} [options.args] further flags for Chromium
 * @returns what the page writes to its console appears on standard error
 */
export async function openPackagePage({ models, folders = {}, args = [] }) {
  const server = await serve({ folders: { ...packageFolder, ...folders }, models, pages: { "/": blank } });
  const browser = await launchChromium({ args }).catch(async (error) => {
    await server.close();
    throw error;
  });
  const page = await browser.newPage();
  page.on("console", (message) => console.error(`[page] ${message.text()}`));
  page.on("pageerror", (error) => console.error(`[page] ${error.stack ?? error}`));
  await page.goto(server.url);
  const close = async () => {
    await browser.close();
    await server.close();
  };
  return { page, browser, url: server.url, close };
}
