import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseRange, serve } from "./serve.mjs";

let folder;
let server;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tabmind-serve-"));
  await mkdir(join(folder, "www"));
  await mkdir(join(folder, "models/nested"), { recursive: true });
  await writeFile(join(folder, "secret"), "secret");
  await writeFile(join(folder, "www/index.html"), "<p>page");
  await writeFile(join(folder, "www/a.wasm"), "0123456789");
  await writeFile(join(folder, "www/empty.js"), "");
  await writeFile(join(folder, "models/one model.gguf"), "GGUF");
  await writeFile(join(folder, "models/readme.txt"), "no model");
  for (const part of [1, 2]) await writeFile(join(folder, `models/nested/big-0000${part}-of-00002.gguf`), "part");
  server = await serve({
    folders: { "/": join(folder, "www"), "/deep/": join(folder, "models") },
    pages: { "/blank.html": "<!doctype html>" },
    models: [join(folder, "models"), join(folder, "models/one model.gguf"), join(folder, "absent")],
    handle: (_request, response, path) => path === "/teapot" && response.writeHead(418).end() && true,
  });
});
after(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const get = (path, headers = {}) => fetch(new URL(path, server.url), { headers });

test("a page, its type, and isolation", async () => {
  const page = await get("");
  assert.equal(await page.text(), "<p>page");
  assert.match(page.headers.get("content-type"), /^text\/html/u);
  assert.equal(page.headers.get("cross-origin-opener-policy"), "same-origin");
  assert.equal(page.headers.get("cross-origin-embedder-policy"), "require-corp");
  assert.equal((await get("a.wasm")).headers.get("content-type"), "application/wasm");
  assert.equal(await (await get("empty.js")).text(), "");
  assert.equal(await (await get("blank.html")).text(), "<!doctype html>");
  assert.equal((await get("teapot")).status, 418);
});

test("without isolation the headers are absent", async () => {
  const plain = await serve({ folders: { "/": folder }, isolated: false });
  const answer = await fetch(`${plain.url}secret`);
  assert.equal(answer.headers.get("cross-origin-opener-policy"), null);
  await plain.close();
});

test("ranges", async () => {
  const part = await get("a.wasm", { Range: "bytes=2-4" });
  assert.equal(part.status, 206);
  assert.equal(part.headers.get("content-range"), "bytes 2-4/10");
  assert.equal(await part.text(), "234");
  const beyond = await get("a.wasm", { Range: "bytes=10-" });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers.get("content-range"), "bytes */10");
  const stale = await get("a.wasm", { Range: "bytes=2-4", "If-Range": '"other"' });
  assert.equal(stale.status, 200);
  assert.equal(await stale.text(), "0123456789");
  const known = (await get("a.wasm")).headers.get("etag");
  assert.equal((await get("a.wasm", { "If-None-Match": known })).status, 304);

  assert.deepEqual(parseRange("bytes=5-", 10), { start: 5, end: 9 });
  assert.deepEqual(parseRange("bytes=-3", 10), { start: 7, end: 9 });
  assert.deepEqual(parseRange("bytes=-30", 10), { start: 0, end: 9 });
  assert.deepEqual(parseRange("bytes=5-99", 10), { start: 5, end: 9 });
  assert.equal(parseRange("bytes=-0", 10), "unsatisfiable");
  for (const ignored of [undefined, "bytes=-", "bytes=4-2", "bytes=1-2,4-5", "lines=1-2"]) {
    assert.equal(parseRange(ignored, 10), null, ignored);
  }
});

test("HEAD says how long a file is, and sends nothing", async () => {
  const head = await fetch(new URL("a.wasm", server.url), { method: "HEAD" });
  assert.equal(head.headers.get("content-length"), "10");
  assert.equal(await head.text(), "");
});

test("nothing outside the folders is served", async () => {
  // fetch() would tidy these paths before they are sent.
  const status = (path) =>
    new Promise((resolve, reject) => {
      const sent = request({ port: server.port, host: "127.0.0.1", path }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.once("error", reject).end();
    });
  assert.equal(await status("/../secret"), 400);
  assert.equal(await status("/%2e%2e/secret"), 400);
  assert.equal(await status("/..%5csecret"), 400);
  assert.equal(await status("/%00"), 400);
  assert.equal(await status("/%zz"), 400);
  assert.equal(await status("/absent"), 404);
  assert.equal(await status("/deep/nested"), 404, "a folder is no file");
  assert.equal((await fetch(server.url, { method: "POST" })).status, 405);
});

test("models are listed once, split ones as one", async () => {
  const models = await (await get("models.json")).json();
  assert.deepEqual(models, [
    {
      name: "nested/big.gguf",
      url: ["models/nested/big-00001-of-00002.gguf", "models/nested/big-00002-of-00002.gguf"],
      bytes: 8,
    },
    { name: "one model.gguf", url: "models/one%20model.gguf", bytes: 4 },
  ]);
  assert.equal(await (await get(models[0].url[1])).text(), "part");
  assert.equal(await (await get(models[1].url)).text(), "GGUF");
  assert.equal((await get("models/readme.txt")).status, 404);
});
