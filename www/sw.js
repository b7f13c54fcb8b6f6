/*
 * The service worker: keeps the page and its embedded model, so that they open without a network; isolates the page where the host cannot send the headers for it, so that the engine has threads;
 * and is the switch that cuts the page off.
 *
 * The network comes first, so a new version of the page is seen at once. What to keep, the page says: it knows what it has used.
 */

/** @typedef {Event & { waitUntil: (done: Promise<unknown>) => void }} Extendable */
/** @typedef {Extendable & { request: Request, respondWith: (answer: Promise<Response>) => void }} Fetching */
/** @typedef {Extendable & { data: { keep?: string[], cut?: boolean }, ports: readonly MessagePort[] }} Told */

// TypeScript knows either pages or workers in one project, and the page is the greater part.
const worker = /** @type {any} */ (self);
const STORE = "tabmind.page";
/** The page itself; also what any address of a page falls back to. */
const HOME = new URL("./", location.href).href;
/** Its presence in the store is the position of the switch. Nothing is ever fetched from there. */
const SWITCH = new URL("./cut-off", location.href).href;
/** What makes a page cross-origin isolated, and what restricts the engine's worker: as in tools/serve.mjs. */
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Resource-Policy": "same-origin" };
const WORKER_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src * blob: data:";

/** @type {boolean | null} null until it has been looked up: a service worker ends and begins as the browser likes */
let cut = null;

const openStore = () => caches.open(STORE);

async function isCut() {
  cut ??= (await (await openStore()).match(SWITCH)) !== undefined;
  return cut;
}

worker.addEventListener("install", () => worker.skipWaiting());
worker.addEventListener("activate", (/** @type {Extendable} */ event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("fetch", (/** @type {Fetching} */ event) => {
  const isOwn = event.request.url.startsWith(HOME);
  // Others' answers need nothing from here, and a model of gigabytes takes the short way.
  if (!isOwn && cut === false) return;
  event.respondWith(answer(event.request, isOwn));
});

worker.addEventListener("message", (/** @type {Told} */ event) => {
  const { keep: urls, cut: position } = event.data;
  const done = urls ? keep(urls) : position === undefined ? isCut() : turn(position);
  event.waitUntil(done.then((result) => event.ports[0]?.postMessage(result)));
});

/**
 * @param {Request} request
 * @param {boolean} isOwn
 */
async function answer(request, isOwn) {
  if (await isCut()) return isOwn ? fromStore(request) : Response.error();
  if (!isOwn) return fetch(request);
  try {
    return isolated(request.url, await fetch(request));
  } catch {
    return fromStore(request);
  }
}

/** @param {Request} request */
async function fromStore(request) {
  const store = await openStore();
  const kept = (await store.match(request.url)) ?? (request.mode === "navigate" ? await store.match(HOME) : undefined);
  if (!kept) return Response.error();
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
  return isolated(request.url, range ? await slice(kept, Number(range[1]), range[2] ? Number(range[2]) : Infinity) : kept);
}

/**
 * @param {Response} whole
 * @param {number} first
 * @param {number} last
 */
async function slice(whole, first, last) {
  const bytes = await whole.blob();
  const end = Math.min(last + 1, bytes.size);
  const headers = new Headers(whole.headers);
  headers.set("Content-Range", `bytes ${first}-${end - 1}/${bytes.size}`);
  headers.set("Content-Length", String(end - first));
  return new Response(bytes.slice(first, end), { status: 206, headers });
}

/**
 * @param {string} url
 * @param {Response} response
 */
function isolated(url, response) {
  if (response.type === "error" || response.type === "opaqueredirect") return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) headers.set(name, value);
  if (/\/worker-[^/]*\.js$/.test(url)) headers.set("Content-Security-Policy", WORKER_POLICY);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/**
 * @param {string[]} urls
 * @returns {Promise<boolean>} whether all of them are kept
 */
async function keep(urls) {
  const store = await openStore();
  const kept = await Promise.all(
    urls.map(async (url) => {
      const response = (await isCut()) ? null : await fetch(url, { cache: "no-cache" }).catch(() => null);
      if (response?.ok) await store.put(url, response);
      // What the host does not have (a list of models, say) the page has lived without.
      return response !== null || (await store.match(url)) !== undefined;
    }),
  );
  return kept.every(Boolean);
}

/** @param {boolean} position */
async function turn(position) {
  const store = await openStore();
  if (position) await store.put(SWITCH, new Response("cut off"));
  else await store.delete(SWITCH);
  cut = position;
  return cut;
}
