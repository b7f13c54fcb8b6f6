// hf: names, against a local server that answers as the hub does.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { serve } from "../../tools/serve.mjs";
import { createFaults } from "./faults.mjs";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { assertError, useHarness } from "./harness.mjs";

const model = writeGguf(tinyModel({ dim: 256, blocks: 3 }));
const sha256 = createHash("sha256").update(model).digest("hex");
const faults = createFaults(model);
const harness = useHarness();
const token = "hf_secret";

/** The hub: its API, and files that lie on another origin behind a redirect. */
const hub = { log: [] };
let oid = sha256;
before(async () => {
  hub.files = await serve({
    isolated: false,
    handle(request, response, path) {
      hub.log.push({ at: "files", path, authorization: request.headers.authorization });
      response.setHeader("Access-Control-Allow-Origin", "*");
      response.setHeader("Access-Control-Expose-Headers", "Content-Range, ETag");
      return faults.handle(request, response, path);
    },
  });
  hub.site = await serve({
    isolated: false,
    handle(request, response, path) {
      response.setHeader("Access-Control-Allow-Origin", "*");
      response.setHeader("Access-Control-Allow-Headers", "authorization, range");
      response.setHeader("Access-Control-Expose-Headers", "Content-Range, ETag");
      if (request.method === "OPTIONS") return response.writeHead(204).end();
      hub.log.push({ at: "hub", path, method: request.method, authorization: request.headers.authorization });
      return path.startsWith("/api/") ? answerApi(request, response, path) : answerFile(request, response, path);
    },
  });
});
after(() => Promise.all([hub.site.close(), hub.files.close()]));

function answerApi(request, response, path) {
  const [repo, revision] = path.slice("/api/models/".length).split("/paths-info/");
  let form = "";
  request.on("data", (bytes) => (form += bytes));
  request.on("end", () => {
    const file = new URLSearchParams(form).get("paths");
    hub.log.at(-1).asked = { repo, revision, file };
    if (repo === "gated/model" && request.headers.authorization !== `Bearer ${token}`) return response.writeHead(401).end("{}");
    if (repo === "no/api") return response.writeHead(500).end("oops");
    const lfs = file.endsWith(".gguf") ? { lfs: { oid, size: model.length, pointerSize: 134 } } : {};
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify([{ type: "file", oid: "f".repeat(40), size: model.length, path: file, ...lfs }]));
  });
  return true;
}

function answerFile(request, response, path) {
  const gated = path.startsWith("/gated/");
  if (gated && request.headers.authorization !== `Bearer ${token}`) return response.writeHead(401).end("no");
  response.writeHead(302, { Location: `${hub.files.url}faults/none${path.replace("/resolve/", "/")}` }).end();
  return true;
}

async function load(page, name, options = {}) {
  hub.log.length = 0;
  return page.evaluate(
    ([model_, options_]) =>
      window.outcome(async () => {
        const engine = await window.tabmind.load(model_, options_);
        await engine.close();
        return engine.info;
      }),
    [name, { hub: hub.site.url, ...options }],
  );
}

test("a file of the hub, whose hash the hub tells", async (t) => {
  const page = await harness.page(t);
  const first = await load(page, "hf:some one/model/sub folder/a.gguf@v1.0");
  assert.equal(first.error, undefined, JSON.stringify(first.error));
  assert.deepEqual([first.value.sha256, first.value.cached], [sha256, false]);
  assert.deepEqual(hub.log[0].asked, { repo: "some one/model", revision: "v1.0", file: "sub folder/a.gguf" });
  assert.equal(hub.log.find(({ method }) => method === "GET").path, "/some one/model/resolve/v1.0/sub folder/a.gguf");
  // Known by its hash: the API is asked, the file is not.
  const second = await load(page, "hf:other/name/b.gguf");
  assert.deepEqual([second.value?.sha256, second.value?.cached], [sha256, true], JSON.stringify(second.error));
  assert.deepEqual(hub.log.map(({ method, path }) => [method, path]), [["POST", "/api/models/other/name/paths-info/main"]]);
});

test("other bytes than the hub promises are refused", async (t) => {
  const page = await harness.page(t);
  oid = "0".repeat(64);
  assertError(await load(page, "hf:o/r/a.gguf"), "hash_mismatch", new RegExp(`${sha256}.*${oid}`, "u"));
  assert.deepEqual(await page.evaluate(() => window.tabmind.cache.list()), []);
  oid = sha256;
});

test("a token opens gated models, and goes to the hub alone", async (t) => {
  const page = await harness.page(t);
  const refused = await load(page, "hf:gated/model/a.gguf");
  assertError(refused, "http_status", /401/u);
  assert.match(refused.error.hint, /token/u);
  const opened = await load(page, "hf:gated/model/a.gguf", { token });
  assert.equal(opened.value?.sha256, sha256, JSON.stringify(opened.error));
  for (const { at, authorization } of hub.log) assert.equal(authorization, at === "hub" ? `Bearer ${token}` : undefined, at);
  const elsewhere = await load(page, `${hub.files.url}faults/none/x.gguf`, { token, cache: "none" });
  assert.equal(elsewhere.error, undefined);
  assert.ok(hub.log.every(({ authorization }) => authorization === undefined), "a URL is not the hub's");
});

test("without an answer of the API the file is loaded all the same", async (t) => {
  const page = await harness.page(t);
  const outcome = await load(page, "hf:no/api/a.gguf");
  assert.equal(outcome.value?.sha256, sha256, JSON.stringify(outcome.error));
  // And found again by its URL.
  assert.equal((await load(page, "hf:no/api/a.gguf")).value.cached, true);
});

test("what is no name of the hub", async (t) => {
  const page = await harness.page(t);
  for (const name of ["hf:", "hf:a", "hf:a/b", "hf:a/b/", "hf:a//c", "hf:a/b/c@"]) {
    assertError(await load(page, name), "invalid_request", /hub name/u);
  }
});
