// What the extension's tests stand on: it, laid out as it ships, in a Chromium of its own, and pages and models to try it on.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { launchWithExtension } from "../../tools/chromium.mjs";
import { assembleExtension } from "../../tools/extension.mjs";
import { serve } from "../../tools/serve.mjs";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";

/**
 * `granted`: the extension may reach the test's pages from the start, as if a person had agreed to the browser's own
 * question, which no script can answer. Everything else is what ships. `models`: small random models with a chat template,
 * that never end by themselves, by name.
 */
export function useExtension({ granted, pages = {}, models = {} }) {
  const scratch = mkdtempSync(join(tmpdir(), "tabmind-extension-"));
  const folder = join(scratch, "extension");
  const tools = { models: Object.fromEntries(Object.entries(models).map(([name, options]) => [`/${name}`, endless(options)])) };

  before(async () => {
    assembleExtension(folder);
    if (granted) grant(join(folder, "manifest.json"));
    tools.site = await serve({ pages, isolated: false, handle: (request, response, path) => sendModel(tools.models[path], request, response) });
    Object.assign(tools, await launchWithExtension({ folder, profile: join(scratch, "profile") }));
    tools.context.setDefaultTimeout(60_000);
  });

  after(async () => {
    await tools.context?.close();
    await tools.site?.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  /** One of the extension's pages in a tab; it closes with the test, which fails on errors that nobody caught. */
  tools.open = async (t, path) => {
    const page = await tools.context.newPage();
    await page.setViewportSize({ width: 400, height: 720 });
    watch(t, page);
    await page.goto(`chrome-extension://${tools.id}/${path}`);
    return page;
  };

  /** A page of the test's site. */
  tools.visit = async (t, path) => {
    const page = await tools.context.newPage();
    watch(t, page);
    await page.goto(new URL(path, tools.site.url).href);
    return page;
  };

  /** The panel, with nothing in it. */
  tools.panel = async (t) => {
    const panel = await tools.open(t, "panel.html");
    await panel.waitForFunction(() => document.querySelector("#model-name").textContent !== "tabmind");
    await panel.click("#clear:visible, #clear-forms:visible");
    await panel.waitForFunction(() => document.querySelectorAll(".message").length === 0);
    return panel;
  };

  /** Chooses a model in the panel, as a person does. */
  tools.choose = async (panel, name) => {
    await panel.click("#model summary");
    if (name === "desk") await panel.click("#use-desk");
    else {
      await panel.fill("#load-source", tools.address(name));
      await panel.click("#load-form button");
    }
    await panel.waitForFunction(() => document.querySelector("#model-state").textContent === "ready");
  };

  /** A click in the context menu of `page`, delivered where the browser delivers it. */
  tools.menu = async (page, menuItemId, info = {}) => {
    const worker = await tools.serviceWorker();
    await worker.evaluate(
      async ([url, click]) => {
        const [tab] = await chrome.tabs.query({ url });
        chrome.contextMenus.onClicked.dispatch(click, tab);
      },
      [page.url(), { menuItemId, frameId: 0, ...info }],
    );
  };

  /** The service worker, started if it is not running. */
  tools.serviceWorker = async () => {
    const [running] = tools.context.serviceWorkers();
    if (running) return running;
    const [worker, page] = await Promise.all([tools.context.waitForEvent("serviceworker"), tools.context.newPage()]);
    await page.goto(`chrome-extension://${tools.id}/panel.html`); // whose line to the host wakes it
    await page.close();
    return worker;
  };

  /** Ends the service worker, and tells when it has ended. */
  tools.killServiceWorker = async (page) => {
    const session = await tools.context.newCDPSession(page);
    const stopped = new Promise((resolve) => {
      session.on("ServiceWorker.workerVersionUpdated", ({ versions }) => versions.some(({ runningStatus }) => runningStatus === "stopped") && resolve());
    });
    await session.send("ServiceWorker.enable");
    await session.send("ServiceWorker.stopAllWorkers");
    await stopped;
    await session.detach();
  };

  /** Where a model of the test's site is. */
  tools.address = (name) => new URL(name, tools.site.url).href;
  return tools;
}

/** Its first rows are the special tokens and the bytes: they get no say, so that it writes words and never ends by itself. */
function endless(options) {
  const model = tinyModel(options);
  const { dims, bytes } = model.tensors.find(({ name }) => name === "output.weight");
  const weights = new Float32Array(bytes.buffer);
  weights.fill(0, 0, 259 * dims[0]);
  weights.forEach((weight, index) => (weights[index] = weight * 20));
  return writeGguf(model);
}

function watch(t, page) {
  const uncaught = [];
  page.on("pageerror", (error) => uncaught.push(error.stack ?? String(error)));
  t.after(async () => {
    await page.close();
    assert.deepEqual(uncaught, [], "errors that nobody caught");
  });
}

function grant(file) {
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...manifest, host_permissions: ["http://127.0.0.1/*"] }));
}

/** As the hub does: to any origin, by range. */
function sendModel(bytes, request, response) {
  if (bytes === undefined) return false;
  response.setHeader("Access-Control-Allow-Origin", "*");
  response.setHeader("Access-Control-Expose-Headers", "*");
  response.setHeader("Accept-Ranges", "bytes");
  const range = /^bytes=(\d+)-(\d*)$/u.exec(request.headers.range ?? "");
  const start = range ? Number(range[1]) : 0;
  const end = Math.min(range?.[2] ? Number(range[2]) + 1 : bytes.length, bytes.length);
  if (range) response.setHeader("Content-Range", `bytes ${start}-${end - 1}/${bytes.length}`);
  response.writeHead(range ? 206 : 200, { "Content-Length": end - start, "Content-Type": "application/octet-stream" });
  response.end(request.method === "HEAD" ? undefined : bytes.subarray(start, end));
  return true;
}
