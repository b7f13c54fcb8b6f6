/** Counters of the engine; which ones there are depends on the backend. */
export interface EngineStats {
  /** Bytes of wasm memory, which never shrinks while the engine is open. */
  heapBytes: number;
  /** Bytes of GPU memory that the engine asked for: 0 on the CPU; null while a call runs. */
  gpuBytes: number | null;
  /** Kernels that the last token or piece of a prompt took on the GPU; null on the CPU, and while a call runs, like the next four. */
  gpuDispatches: number | null;
  /** Buffers, bind groups and pipelines that were made for it. */
  gpuObjectsCreated: number | null;
  /** Bytes written to the GPU for it. */
  gpuBytesWritten: number | null;
  /** Times that its results were waited for. */
  gpuReadbacks: number | null;
  /** Bytes read back from the GPU for it. */
  gpuBytesRead: number | null;
  /** How often the GPU was lost since the model was loaded; null while a call runs. */
  deviceLosses: number | null;
  /** Tokens of all conversations that are held, so that a call that begins alike need not compute them again; null while one runs. */
  cachedTokens: number | null;
  [counter: string]: number | null;
}
