// What the benchmark must know about a GGUF file: how many bytes have each type, and how long a context may be.
import { open } from "node:fs/promises";

/** ggml's types: name, weights in a block, bytes of a block. */
const types = new Map([
  [0, ["F32", 1, 4]],
  [1, ["F16", 1, 2]],
  [2, ["Q4_0", 32, 18]],
  [3, ["Q4_1", 32, 20]],
  [6, ["Q5_0", 32, 22]],
  [7, ["Q5_1", 32, 24]],
  [8, ["Q8_0", 32, 34]],
  [10, ["Q2_K", 256, 84]],
  [11, ["Q3_K", 256, 110]],
  [12, ["Q4_K", 256, 144]],
  [13, ["Q5_K", 256, 176]],
  [14, ["Q6_K", 256, 210]],
  [30, ["BF16", 1, 2]],
]);

/** Bytes of each metadata type of fixed size; 8 is a string, 9 an array. */
const fixedSizes = new Map([[0, 1], [1, 1], [2, 2], [3, 2], [4, 4], [5, 4], [6, 4], [7, 1], [10, 8], [11, 8], [12, 8]]);

/**
 * @param {string} path
 * @returns {Promise<{ architecture: string, contextLength: number, bytesByType: Record<string, number>, bytesPerToken: number }>}
 *   `bytesPerToken` are the weights that one decoded token reads: all of them, or all but the input table where the
 *   output has a table of its own.
 */
export async function readGguf(path) {
  const { metadata, tensors } = parse(await firstBytes(path));
  const bytesByType = {};
  for (const { type, bytes } of tensors) bytesByType[type] = (bytesByType[type] ?? 0) + bytes;
  const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  const embedding = tensors.find(({ name }) => name === "token_embd.weight");
  const hasOutput = tensors.some(({ name }) => name === "output.weight");
  return {
    architecture: metadata.get("general.architecture"),
    contextLength: metadata.get(`${metadata.get("general.architecture")}.context_length`),
    bytesByType,
    bytesPerToken: hasOutput ? total - embedding.bytes : total,
  };
}

/** Enough of the file for any header; vocabularies of 150,000 words take six megabytes. */
async function firstBytes(path) {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64 << 20), 0, 64 << 20, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function parse(bytes) {
  if (bytes.toString("latin1", 0, 4) !== "GGUF") throw new Error("not a GGUF file");
  const reader = new Reader(bytes, 8);
  const nTensors = reader.u64();
  const nValues = reader.u64();
  const metadata = new Map();
  for (let index = 0; index < nValues; index += 1) metadata.set(reader.string(), reader.value(reader.u32()));
  const tensors = Array.from({ length: nTensors }, () => {
    const name = reader.string();
    const dims = Array.from({ length: reader.u32() }, () => reader.u64());
    const type = reader.u32();
    reader.u64(); // the offset
    const [typeName, weights, size] = types.get(type) ?? [`type ${type}`, 1, 0];
    return { name, dims, type: typeName, bytes: (dims.reduce((a, b) => a * b, 1) / weights) * size };
  });
  return { metadata, tensors };
}

/** Reads on from a position; past the end it throws, and the caller's file is not one we measure with. */
class Reader {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  skip(length) {
    this.at += length;
    return this.at - length;
  }

  u32() {
    return this.bytes.readUInt32LE(this.skip(4));
  }

  u64() {
    return Number(this.bytes.readBigUInt64LE(this.skip(8)));
  }

  string() {
    const length = this.u64();
    const start = this.skip(length);
    return this.bytes.toString("utf8", start, start + length);
  }

  /** Strings, u32s and the lengths of arrays are kept, the rest is passed over: nothing here needs it. */
  value(type) {
    if (type === 8) return this.string();
    if (type === 4) return this.u32();
    if (type !== 9) return void this.skip(fixedSizes.get(type));
    const inner = this.u32();
    const length = this.u64();
    if (fixedSizes.has(inner)) this.skip(length * fixedSizes.get(inner));
    else for (let index = 0; index < length; index += 1) this.value(inner);
    return { length };
  }
}
