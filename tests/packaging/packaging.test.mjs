// The package as strangers use it: installed from its tarball, through each bundler and without one, in a real browser.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launchChromium } from "../../tools/chromium.mjs";
import { serve } from "../../tools/serve.mjs";
import { importFrom, install } from "./install.mjs";
import { assertWorks, gzipped, open } from "./open.mjs";
import { testReact } from "./react.mjs";

const { folder, tarball, skip } = install("packaging");
const modules = join(folder, "node_modules");
const run = (app, [name, ...args]) => execFileSync(join(modules, ".bin", name), args, { cwd: app, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

/** What a careful host sends. */
const strictPolicy = "default-src 'none'; img-src data:; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

/** The scripts of a page without a bundler, less those that are named after a module. */
const scripts = ["build", "cache", "connection", "desk", "desk/confidence", "desk/tasks", "embeddings", "engine", "errors", "index", "load", "openai", "request", "run-tools", "seal", "stream", "threads", "tokenize", "worker", "wgpu"];

/** What one page may fetch of scripts, compressed. */
const maxScriptBytes = 40_000;

/**
 * `copy`: the package's files are laid beside the app, as its README says for bundlers that do not follow
 * `new Worker(new URL(…))`. `out`: the folder that is served, if it is not the app's own.
 */
const apps = [
  { name: "Vite, built", app: "vite", build: ["vite", "build", "--logLevel", "warn"], out: "dist" },
  { name: "webpack", app: "webpack", build: ["webpack"] },
  { name: "Rollup", app: "rollup", build: ["rollup", "--config", "--silent"], copy: true },
  { name: "esbuild", app: "esbuild", build: ["esbuild", "main.js", "--bundle", "--format=esm", "--outdir=dist", "--log-level=warning"], copy: true },
  { name: "no bundler", app: "plain", copy: true, list: true },
  { name: "no bundler, strict policy", app: "plain", copy: true, list: true, policy: strictPolicy },
];

let browser;
before(async () => {
  if (skip === false) browser = await launchChromium();
});
after(() => browser?.close());

for (const { name, ...app } of apps) {
  test(name, { skip, timeout: 120_000 }, () => check(app));
}

async function check({ app, build, copy, out = ".", policy, list }) {
  const place = join(folder, "apps", app);
  if (copy) cpSync(join(modules, "tabmind", "dist"), join(place, "tabmind"), { recursive: true });
  if (build) run(place, build);
  const handle = (_request, response) => void (policy && response.setHeader("Content-Security-Policy", policy));
  for (const isolated of [false, true]) {
    const site = await serve({ folders: { "/": join(place, out) }, isolated, handle });
    try {
      const seen = await open(browser, site.url);
      assertWorks(seen, site.url, isolated);
      const bytes = await gzipped(seen.requests.filter((url) => url.endsWith(".js")));
      assert.ok(bytes <= maxScriptBytes, `${bytes} bytes of scripts`);
      if (list) assert.deepEqual(seen.requests.map((url) => url.slice(site.url.length)).toSorted(), expectedFiles(seen).toSorted());
    } finally {
      await site.close();
    }
  }
}

test("Vite, in development", { skip, timeout: 120_000 }, () =>
  withVite("vite", async (url) => assertWorks(await open(browser, url), url, true)),
);

test("React", { skip, timeout: 200_000 }, (t) => {
  cpSync(join(modules, "tabmind", "dist", "models", "desk.gguf"), join(folder, "apps", "react", "desk.gguf"));
  // In development, where strict mode mounts everything twice.
  return withVite("react", (url) => testReact(t, browser, url));
});

/** Runs `work` on an app that Vite serves. */
async function withVite(app, work) {
  const { createServer } = await importFrom(modules, "vite", "dist", "node", "index.js");
  const server = await createServer({ root: join(folder, "apps", app), logLevel: "warn" });
  await server.listen();
  await work(server.resolvedUrls.local[0]).finally(() => server.close());
}

/** All that a page without a bundler asks for. */
function expectedFiles({ title, requests }) {
  const kind = requests.some((url) => url.includes("relaxed")) ? "relaxed" : "simd";
  const build = title === "threads: 1" ? kind : `${kind}-threads`;
  const files = [...scripts.map((script) => `${script}.js`), `worker-${build}.js`, `tabmind-${build}.js`, `tabmind-${build}_bg.wasm`, "models/desk.gguf"];
  return ["", "main.js", ...files.map((file) => `tabmind/${file}`)];
}

test("publint finds nothing", { skip }, () => {
  run(folder, ["publint", "--strict", join(modules, "tabmind")]);
});

test("are-the-types-wrong finds nothing", { skip }, () => {
  // A model has no types.
  run(folder, ["attw", tarball, "--profile", "esm-only", "--exclude-entrypoints", "./models/desk.gguf"]);
});
