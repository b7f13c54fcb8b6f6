// A static server on loopback for the demo page, tests, `generate` and `bench`: cross-origin isolated, with ranges.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { listModels, listing } from "./models.mjs";

const types = {
  ".css": "text/css; charset=utf-8",
  ".gguf": "application/octet-stream",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".map": "application/json; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};

// What makes a page cross-origin isolated, and so gives it shared memory and threads.
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

// The worker of the package loads its own modules, models from anywhere, and may start workers for threads. `import()` is
// the one thing that the engine's seal cannot take away: this restricts it to the scripts of this server.
const workerPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src * blob: data:";

/**
 * Starts a server on 127.0.0.1.
 *
 * @param {object} options
 * @param {Record<string, string>} [options.folders] URL prefix (with both slashes) → folder; the longest prefix wins
 * @param {Record<string, string>} [options.pages] URL path → HTML text, for pages that exist only in a test
 * @param {string[]} [options.models] GGUF files, and folders of them: `/models/…`, listed in `/models.json`
 * @param {number} [options.port] 0 takes a free one
 * @param {boolean} [options.isolated] send COOP and COEP
 * @param {(request, response, path: string) => boolean} [options.handle] answers first; true when it did
 * @returns {Promise<{ url: string, port: number, close(): Promise<void> }>} `url` ends in a slash
 */
export async function serve({ folders = {}, pages = {}, models = [], port = 0, isolated = true, handle } = {}) {
  const mounts = Object.entries(folders).toSorted(([a], [b]) => b.length - a.length);
  const site = { mounts, pages, models, headers: isolated ? isolation : {} };
  const server = createServer((request, response) => {
    answer(site, request, response, handle).catch((error) => {
      // A reader that went away is its own business; anything else is ours.
      if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") console.error(`${request.method} ${request.url}: ${error.message}`);
      if (response.headersSent) response.destroy();
      else sendText(response, 500, error.message);
    });
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const bound = server.address().port;
  return {
    url: `http://127.0.0.1:${bound}/`,
    port: bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(site, request, response, handle) {
  for (const [name, value] of Object.entries(site.headers)) response.setHeader(name, value);
  response.setHeader("Cache-Control", "no-cache"); // development: what is on disk now
  const path = decodePath(request.url);
  if (path === null) return sendText(response, 400, "the path is not valid");
  if (handle?.(request, response, path)) return;
  if (request.method !== "GET" && request.method !== "HEAD") return sendText(response, 405, "only GET and HEAD");
  if (path in site.pages) return sendText(response, 200, site.pages[path], types[".html"]);
  if (path === "/models.json" || path.startsWith("/models/")) {
    const models = await listModels(site.models);
    if (path === "/models.json") return sendText(response, 200, listing(models), types[".json"]);
    const part = models.flatMap((model) => model.parts).find(({ url }) => `/${url}` === path);
    if (part) return sendFile(request, response, part.file);
  }
  const file = fileFor(site.mounts, path);
  return file ? sendFile(request, response, file) : sendText(response, 404, `nothing at ${path}`);
}

/** The decoded path of a request, or null when it is malformed or climbs. */
function decodePath(url) {
  try {
    const path = decodeURIComponent(url.split(/[?#]/u, 1)[0]);
    const climbs = path.split(/[/\\]/u).includes("..");
    return path.startsWith("/") && !climbs && !path.includes("\0") ? path : null;
  } catch {
    return null;
  }
}

function fileFor(mounts, path) {
  const mount = mounts.find(([prefix]) => path.startsWith(prefix));
  if (!mount) return null;
  const [prefix, folder] = mount;
  const rest = path.slice(prefix.length);
  return join(folder, rest === "" || rest.endsWith("/") ? `${rest}index.html` : rest);
}

async function sendFile(request, response, file) {
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) return sendText(response, 404, `nothing at ${request.url}`);
  const etag = `"${found.size.toString(36)}-${Math.trunc(found.mtimeMs).toString(36)}"`;
  response.setHeader("Accept-Ranges", "bytes");
  response.setHeader("Content-Type", types[extname(file).toLowerCase()] ?? "application/octet-stream");
  if (/^worker-.*\.js$/u.test(basename(file)) && !response.hasHeader("Content-Security-Policy")) response.setHeader("Content-Security-Policy", workerPolicy);
  response.setHeader("ETag", etag);
  if (request.headers["if-none-match"] === etag) return response.writeHead(304).end();

  const fresh = (request.headers["if-range"] ?? etag) === etag; // a changed file is sent whole
  const range = fresh ? parseRange(request.headers.range, found.size) : null;
  if (range === "unsatisfiable") {
    response.setHeader("Content-Range", `bytes */${found.size}`);
    return sendText(response, 416, `the file has ${found.size} bytes`);
  }
  const { start, end } = range ?? { start: 0, end: found.size - 1 };
  response.setHeader("Content-Length", end - start + 1);
  if (range) response.setHeader("Content-Range", `bytes ${start}-${end}/${found.size}`);
  response.writeHead(range ? 206 : 200);
  // An empty file has no last byte to stream to.
  if (request.method === "HEAD" || found.size === 0) return response.end();
  await pipeline(createReadStream(file, { start, end }), response);
}

/** One `bytes=` range; null (send everything) for none, and for the lists of ranges that no loader asks for. */
export function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/u.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return null;
  const [first, last] = [match[1], match[2]];
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length > 0 ? { start: size - length, end: size - 1 } : "unsatisfiable";
  }
  const start = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < start) return null;
  return start < size ? { start, end } : "unsatisfiable";
}

function sendText(response, status, text, type = types[".txt"]) {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(text) });
  response.end(response.req.method === "HEAD" ? "" : text);
}
