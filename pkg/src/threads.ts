// The engine's threads: workers of this worker's own script that share the module and its memory.
import type * as Glue from "./border.js";
import { sealScope } from "./seal.js";

/** To a worker that becomes a thread. It answers with any message when it is about to join, and with none after that. */
export interface StartThread {
  type: "thread";
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

/** Starts the module with shared memory, and `count` threads; `onDeath` is told of one that fails later. */
export async function startThreads(glue: typeof Glue, response: Response, count: number, onDeath: (error: unknown) => void): Promise<void> {
  const module = await compile(response);
  const { memory } = await glue.default({ module_or_path: module });
  const start = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const thread = new Worker(self.location.href, { type: ownType(), name: "tabmind thread" });
      thread.onmessage = () => {
        thread.onerror = (event) => onDeath(event.message);
        resolve();
      };
      thread.onerror = (event) => reject(new Error(`a thread of the engine could not start: ${event.message}`));
      thread.postMessage({ type: "thread", module, memory } satisfies StartThread);
    });
  await Promise.all(Array.from({ length: count }, start));
}

/**
 * How this worker was started: some bundlers make classic scripts of modules. A classic one cannot parse this address, a
 * module cannot even try; neither asks for anything.
 */
function ownType(): WorkerType {
  try {
    (globalThis as { importScripts?: (url: string) => void }).importScripts?.("https://:");
  } catch (error) {
    return error instanceof TypeError ? "module" : "classic";
  }
  return "module";
}

/** Makes this worker a thread. Does not return while the engine lives. */
export async function joinThreads(glue: typeof Glue, { module, memory }: StartThread): Promise<void> {
  await glue.default({ module_or_path: module, memory });
  // It has all that it will ever need.
  await sealScope();
  self.postMessage("joining");
  glue.serveAsThread();
}

/** Compiled while it arrives, where the server says what it is. */
async function compile(response: Response): Promise<WebAssembly.Module> {
  const streams = response.headers.get("Content-Type")?.startsWith("application/wasm") === true;
  return streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}
