// Which of the package's wasm modules a worker runs: what the browser can do, and what the caller wants.
import { TabmindError } from "./errors.js";
import type { LoadOptions } from "./types/engine.js";

/** The modules, as in `worker-NAME.js`. */
export type BuildName = "simd" | "relaxed" | "simd-threads" | "relaxed-threads";

/** A module, and how many threads the engine gets in it. */
export interface Build {
  name: BuildName;
  threads: number;
}

/** A function that uses `i8x16.relaxed_swizzle`. */
const relaxedModule = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11];

/** More threads than this wait for memory rather than compute. */
const mostThreads = 8;

/** The module for these options in this browser. */
export function chooseBuild({ build, threads }: Pick<LoadOptions, "build" | "threads">): Build {
  const hasRelaxed = WebAssembly.validate(Uint8Array.from(relaxedModule));
  if (build === "relaxed" && !hasRelaxed) {
    throw new TabmindError("invalid_request", `options.build: this browser has no relaxed SIMD`, { hint: 'leave it out, or say "simd"' });
  }
  const kind = build === "simd" || !hasRelaxed ? "simd" : "relaxed";
  const wanted = threads ?? defaultThreads(navigator.hardwareConcurrency);
  return wanted > 1 && globalThis.crossOriginIsolated === true ? { name: `${kind}-threads`, threads: wanted } : { name: kind, threads: 1 };
}

/** A processor is left to the page where there are more than two. */
function defaultThreads(processors: number): number {
  return processors > 2 ? Math.min(processors - 1, mostThreads) : Math.max(processors, 1);
}
