// What every browser test stands on: the built package behind a local server, a real Chromium, one page per test.
import assert from "node:assert/strict";
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { launchChromium } from "../../tools/chromium.mjs";
import { serve } from "../../tools/serve.mjs";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const dist = join(root, "pkg", "dist");
const fixtures = fileURLToPath(new URL("fixtures", import.meta.url));

/** Test models and goldens that are not part of the repository. */
export const assets = resolve(root, process.env.TABMIND_ASSETS ?? "../shared/assets");
export const withoutAssets = existsSync(join(assets, "weights")) ? false : `no test models at ${assets} (TABMIND_ASSETS says where they are)`;

/** The package's wasm modules. */
export const builds = ["simd", "relaxed", "simd-threads", "relaxed-threads"];

/** Options that select a build, and threads where it has them. */
export const optionsOf = (build) => ({ build: build.split("-")[0], threads: build.endsWith("-threads") ? 2 : 1, cache: "none", backend: "cpu" });

export const soak = process.env.TABMIND_SOAK === "1";

/**
 * Starts a server and a browser for the tests of one file. `fake` puts the fake wasm in the real one's place.
 *
 * The page's helpers are in fixtures/page.html. `made(name, bytes)` serves bytes; `/fault/…` are the broken answers;
 * `handle` answers before all others, if it answers true; `folders` are served beside the package.
 */
export function useHarness({ fake = false, args = [], handle, folders = {} } = {}) {
  const scratch = mkdtempSync(join(tmpdir(), "tabmind-test-"));
  const harness = { requests: [] };
  const beforehand = [];

  before(async () => {
    const page = readFileSync(join(fixtures, "page.html"), "utf8");
    harness.package = fake ? fakePackage(scratch) : builtPackage();
    harness.site = await serve({
      folders: { "/pkg/": harness.package, "/weights/": join(assets, "weights"), "/arch/": join(assets, "arch"), "/openai/": join(root, "node_modules", "openai"), "/made/": madeFolder(scratch), ...folders },
      pages: { "/": page.replaceAll("PACKAGE", "/pkg") },
      handle(request, response, path) {
        harness.requests.push({ path, method: request.method, range: request.headers.range ?? null });
        return handle?.(request, response, path) || answerFault(path, response);
      },
    });
    harness.browser = await launchChromium({ args });
    // In the same hook: those of a file do not wait for each other.
    for (const work of beforehand) {
      const aside = await open(await harness.browser.newPage(), "");
      await work(aside);
      await aside.close();
    }
  });

  after(async () => {
    await harness.browser?.close();
    await harness.site?.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  /**
   * A fresh page with the package imported; the test fails on errors that nobody caught. It has nothing in common with
   * other pages, unless they are opened in one `context`, which the test closes.
   */
  harness.page = async (t, path = "", context) => {
    const page = await (context ?? harness.browser).newPage();
    // A promise in the page that never settles fails its test, instead of holding up the run.
    const watchdog = setTimeout(() => page.close(), (soak ? 600 : 60) * 1000);
    const uncaught = [];
    page.on("pageerror", (error) => uncaught.push(error.stack ?? String(error)));
    t.after(async () => {
      clearTimeout(watchdog);
      await (context === undefined ? page.context() : page).close();
      assert.deepEqual(uncaught, [], "errors that nobody caught in the page");
    });
    return open(page, path);
  };

  async function open(page, path) {
    page.setDefaultTimeout(20_000);
    await page.goto(harness.site.url + path);
    await page.waitForFunction(() => window.tabmind !== undefined);
    return page;
  }

  /** Does `work` in a page of its own before the tests, whichever of them run. */
  harness.beforehand = (work) => void beforehand.push(work);

  /** Serves `bytes`; answers the path. */
  harness.made = (name, bytes) => {
    writeFileSync(join(madeFolder(scratch), name), bytes);
    return `/made/${name}`;
  };
  return harness;
}

function builtPackage() {
  assert.ok(builds.every((build) => existsSync(join(dist, `tabmind-${build}_bg.wasm`))), "pkg/dist is not built: run `cargo xtask build`");
  return dist;
}

function fakePackage(scratch) {
  const folder = join(scratch, "pkg");
  assert.ok(existsSync(dist), "pkg/dist is not built: run `cargo xtask build`");
  cpSync(dist, folder, { recursive: true });
  for (const build of builds) {
    copyFileSync(join(fixtures, "fake-wasm", "tabmind.js"), join(folder, `tabmind-${build}.js`));
    writeFileSync(join(folder, `tabmind-${build}_bg.wasm`), Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])); // an empty module
  }
  return folder;
}

function madeFolder(scratch) {
  const folder = join(scratch, "made");
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Servers that misbehave. */
function answerFault(path, response) {
  switch (path) {
    case "/fault/404.gguf":
      response.writeHead(404, { "Content-Type": "text/plain" }).end("no such model");
      return true;
    case "/fault/500.gguf":
      response.writeHead(500, { "Content-Type": "text/html" }).end("<h1>oops</h1>");
      return true;
    case "/fault/page.gguf":
      // What single-page hosts answer for a path that does not exist.
      response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>Not found</title><p>Sorry.");
      return true;
    case "/fault/cut.gguf":
      response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": 1 << 20 });
      response.write("GGUF", () => response.destroy());
      return true;
    case "/fault/hang.gguf":
      response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": 1 << 20 });
      response.write("GGUF");
      return true;
    default:
      return false;
  }
}

/**
 * In a page: from now on a worker runs `code` before the package's own begins.
 * @param {string} code
 */
export function beforeWorkers(code) {
  const OriginalWorker = window.Worker;
  window.Worker = class extends OriginalWorker {
    constructor(script, options) {
      const module = (text) => JSON.stringify(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
      super(JSON.parse(module(`import ${module(code)}; import ${JSON.stringify(String(script))};`)), options);
    }
  };
}

/** Fails unless `outcome` (from the page's `outcome`) is a TabmindError with this code whose message fits. */
export function assertError(outcome, code, message = /./u) {
  assert.ok(outcome.error, `expected ${code}, but the call succeeded with ${JSON.stringify(outcome.value)?.slice(0, 200)}`);
  assert.deepEqual(
    { name: outcome.error.name, code: outcome.error.code, isTabmindError: outcome.error.isTabmindError },
    { name: "TabmindError", code, isTabmindError: true },
    JSON.stringify(outcome.error),
  );
  assert.match(outcome.error.message, message);
}

/** Fails unless `outcome` is the standard AbortError. */
export function assertAborted(outcome) {
  assert.equal(outcome.error?.name, "AbortError", JSON.stringify(outcome));
}
