// A file behind servers that misbehave: `/faults/NAME/…` answers with the fault NAME. Counts what was asked and sent.
import { parseRange } from "../../tools/serve.mjs";

/**
 * @param {Buffer} file what every path serves, as far as its fault lets it
 * @returns {{ handle(request, response, path: string): boolean, requests(path: string): { at: number, method: string, start: number, end: number, sent: number }[] }}
 */
export function createFaults(file) {
  const log = new Map();
  return {
    requests: (path) => log.get(path) ?? [],
    handle(request, response, path) {
      const name = /^\/faults\/([^/]+)\//u.exec(path)?.[1];
      if (name === undefined) return false;
      const [fault, argument] = name.split("=");
      if (!Object.hasOwn(faults, fault)) throw new Error(`no fault is called ${fault}`);
      const before = log.get(path) ?? [];
      const range = parseRange(request.headers.range, file.length) ?? { start: 0, end: file.length - 1 };
      const record = { at: Date.now(), method: request.method, start: range.start, end: range.end + 1, sent: 0 };
      log.set(path, [...before, record]);
      // What happens once happens to the first connection that comes to a certain byte.
      const reach = (byte) => {
        const isThere = record.method !== "HEAD" && byte >= record.start && byte < record.end;
        record.hit = isThere && !before.some(({ hit }) => hit);
        return record.hit ? byte - record.start : undefined;
      };
      void faults[fault]({ file, request, response, record, reach, count: before.length, argument: Number(argument) });
      return true;
    },
  };
}

/** Each fault gets the number of requests for its path before this one, and the number behind its name's `=`. */
const faults = {
  none: (call) => send(call),
  /** Every connection breaks after so many bytes. */
  cut: (call) => send(call, { cut: call.argument }),
  /** One connection breaks when it comes to that byte of the file. */
  "cut-once": (call) => send(call, { cut: call.reach(call.argument) }),
  /** Never gets beyond so many bytes. */
  "cut-from-start": (call) => send(call, { ranges: false, cut: call.argument }),
  /** The first connection breaks, later ones know no ranges: all of it comes again. */
  "cut-no-ranges": (call) => send(call, { ranges: false, ...(call.count === 0 && { cut: call.argument }) }),
  "no-ranges": (call) => send(call, { ranges: false }),
  /** The first so many requests fail. */
  500: (call) => (call.count < call.argument ? refuse(call, 500) : send(call)),
  503: (call) => (call.count < call.argument ? refuse(call, 503) : send(call)),
  /** Asks to wait so many seconds, once. */
  429: (call) => (call.count === 0 ? refuse(call, 429, { "Retry-After": call.argument }) : send(call)),
  "429-date": (call) => (call.count === 0 ? refuse(call, 429, { "Retry-After": new Date(Date.now() + call.argument * 1000).toUTCString() }) : send(call)),
  /** Always the same status. */
  status: (call) => refuse(call, call.argument),
  html: ({ response }) => response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>Not found</title>"),
  /** So many milliseconds between pieces. */
  drip: (call) => send(call, { pause: call.argument, piece: 1 << 19 }),
  /** A line as slow as real ones, on which little is under way: so many milliseconds between pieces of 4 KiB. */
  slow: (call) => send(call, { pause: call.argument || 4, piece: 1 << 12 }),
  /** Breaks, and is another file of the same length afterwards. */
  "changed-etag": (call) => send(call, { cut: call.argument, headers: { ETag: `"version-${call.count}"` } }),
  "changed-date": (call) => send(call, { cut: call.argument, headers: { "Last-Modified": new Date(1e12 + call.count * 1e6).toUTCString() } }),
  "changed-length": (call) => send(call, { cut: call.argument, total: call.file.length - call.count }),
  /** Nothing says which version it is, and the first connection breaks. */
  "no-version": (call) => send(call, { tagged: false, cut: call.reach(call.argument) }),
  /** The server says so many bytes more (or less) than there are. */
  length: (call) => send(call, { ranges: false, total: call.file.length + call.argument }),
  /** One connection stays open and silent when it comes to that byte of the file. */
  stall: (call) => send(call, { stall: call.reach(call.argument) }),
  /** The first request is not even answered. */
  silence: (call) => (call.count === 0 ? undefined : send(call)),
  redirect: ({ request, response }) => response.writeHead(302, { Location: request.url.replace("/redirect/", "/none/") }).end(),
  loop: ({ request, response }) => response.writeHead(302, { Location: request.url }).end(),
};

function refuse({ response }, status, headers = {}) {
  // No connection reuse: a test counts requests, and a browser repeats one by itself when a reused connection breaks.
  response.writeHead(status, { "Content-Type": "text/plain", "Cache-Control": "no-store", Connection: "close", ...headers }).end(`status ${status}`);
}

async function send({ file, request, response, record }, { ranges = true, cut, stall, pause = 0, piece = 1 << 16, headers = {}, tagged = true, total = file.length } = {}) {
  const partial = ranges && request.headers.range !== undefined;
  const start = partial ? record.start : 0;
  const last = partial ? Math.min(record.end, total) : total;
  const length = last - start;
  const common = { "Content-Type": "application/octet-stream", "Cache-Control": "no-store", Connection: "close", "Content-Length": length, ...(tagged && { ETag: '"one"' }), ...headers };
  if (partial) response.writeHead(206, { ...common, "Content-Range": `bytes ${start}-${last - 1}/${total}` });
  else response.writeHead(200, common);
  if (request.method === "HEAD") return response.end();
  const end = Math.min(start + Math.min(cut ?? stall ?? length, length), file.length);
  for (let at = start; at < end && !response.destroyed; at += piece) {
    const bytes = file.subarray(at, Math.min(at + piece, end));
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    // Its callback comes when the bytes are under way, or the reader is gone.
    await new Promise((resolve) => response.write(bytes, resolve));
    record.sent += bytes.length;
  }
  if (stall !== undefined && stall < length) return;
  if (end - start === length) response.end();
  else {
    // What the browser has received but not handed over when a connection breaks is lost; on this machine the break
    // would often come before the first byte was handed over, as on no real network.
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (!response.destroyed) response.socket.end();
  }
}

/** Bytes that were sent more than once. */
export function sentTwice(requests) {
  let twice = 0;
  let reached = 0;
  for (const { start, sent } of requests.toSorted((a, b) => a.start - b.start)) {
    twice += Math.max(0, Math.min(reached, start + sent) - start);
    reached = Math.max(reached, start + sent);
  }
  return twice;
}
