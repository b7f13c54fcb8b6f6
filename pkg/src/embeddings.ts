// Vectors of texts in OpenAI's shape.
import type { Connection } from "./connection.js";
import { invalid } from "./errors.js";
import { fields, readCallOptions, readSignal, show, toJson } from "./request.js";
import type { EmbeddingResponse } from "./types/chat.js";
import type { Embeddings, EngineInfo } from "./types/engine.js";

/** What the wasm façade's `embed` resolves to. */
interface Wire {
  vectors: number[][];
  tokens: number;
}

/** `embeddings` over a worker. */
export function embeddings(connection: Connection, info: EngineInfo): Embeddings {
  const create = async (params: unknown, options?: unknown): Promise<EmbeddingResponse<number[] | string>> => {
    const { encoding_format: format = "float", signal, ...rest } = fields("params", params);
    if (format !== "float" && format !== "base64") throw invalid("encoding_format", `expected "float" or "base64", found ${show(format)}`);
    const signals = [...readSignal("signal", signal), ...readCallOptions(options)];
    const json = await connection.call({ method: "embed", args: [toJson("params", rest)] }, { signals });
    const { vectors, tokens } = JSON.parse(json) as Wire;
    return {
      object: "list",
      model: info.name,
      data: vectors.map((vector, index) => ({ object: "embedding", index, embedding: format === "base64" ? base64(vector) : vector })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    };
  };
  return { create: create as Embeddings["create"] };
}

/** Little-endian 32-bit floats. */
function base64(vector: number[]): string {
  const view = new DataView(new ArrayBuffer(vector.length * 4));
  for (const [index, value] of vector.entries()) view.setFloat32(index * 4, value, true);
  return btoa(Array.from(new Uint8Array(view.buffer), (byte) => String.fromCodePoint(byte)).join(""));
}
