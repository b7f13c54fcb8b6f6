import type { LoadOptions } from "./engine.js";

/** A downloaded file. A model that is split has several. */
export interface CachedModel {
  /** Where it came from. */
  url: string;
  /** Length of the whole file. */
  sizeBytes: number;
  /** Bytes of it that are stored. */
  storedBytes: number;
  /** Whether that is all of it. What is not complete is gone on with by the next `load`. */
  complete: boolean;
  /** The SHA-256 of the whole file, computed while it was downloaded; null until then. */
  sha256: string | null;
  /** When it was last loaded, in milliseconds since 1970. */
  lastUsed: number;
}

/** How much is stored. */
export interface CacheUsage {
  /** Bytes of models. */
  bytes: number;
  /** What the browser lets this origin store, all together; null where it does not say. */
  quotaBytes: number | null;
  /** Whether the browser promises not to clear it by itself. */
  persisted: boolean;
}

/** What `cache.verify` found. */
export interface CacheVerification {
  /** Whether everything that is stored is what was downloaded. */
  ok: boolean;
  /** Bytes that are not. The next `load` fetches them again, and only them. */
  damagedBytes: number;
}

/** Options of the cache's functions. */
export interface CacheOptions {
  /** As in `load`. */
  assets?: LoadOptions["assets"];
  signal?: AbortSignal;
}

/**
 * Models that were downloaded, in this origin's private file system. `model` is a URL as `load` takes it (or
 * `hf:owner/repo/file.gguf`), or a SHA-256.
 *
 * Where the browser gives the page no private file system (old browsers, some private windows), nothing is in it.
 */
export interface ModelCache {
  /** Every file, the last used first. */
  list(options?: CacheOptions): Promise<CachedModel[]>;
  /** Deletes a model, whole or not; resolves to the number of files. Rejects while a tab is loading it. */
  delete(model: string | URL, options?: CacheOptions): Promise<number>;
  /** How much is stored, and how much may be. */
  usage(options?: CacheOptions): Promise<CacheUsage>;
  /** Reads everything that is stored of a model and compares its checksums. */
  verify(model: string | URL, options?: CacheOptions): Promise<CacheVerification>;
}
