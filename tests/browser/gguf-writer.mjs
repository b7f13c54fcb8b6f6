// Reads and writes GGUF files, to make small models and broken ones. Independent of the Rust reader that it tests.

const scalars = [
  ["u8", 1, "Uint8"],
  ["i8", 1, "Int8"],
  ["u16", 2, "Uint16"],
  ["i16", 2, "Int16"],
  ["u32", 4, "Uint32"],
  ["i32", 4, "Int32"],
  ["f32", 4, "Float32"],
  ["bool", 1, "Uint8"],
  ["string"],
  ["array"],
  ["u64", 8, "BigUint64"],
  ["i64", 8, "BigInt64"],
  ["f64", 8, "Float64"],
];
const typeNumber = (name) => scalars.findIndex(([known]) => known === name);

/** ggml's numbers of the tensor types that tests write themselves. */
export const F32 = 0;

/**
 * @typedef {{ type: string, value: any, of?: string }} Value `of`: the element type of an array
 * @typedef {{ name: string, dims: number[], type: number, bytes: Uint8Array }} Tensor
 * @typedef {{ version: number, metadata: Map<string, Value>, tensors: Tensor[] }} Gguf
 */

const alignment = 32;
const align = (offset) => Math.ceil(offset / alignment) * alignment;

/** @returns {Gguf} the parts of a well-formed file */
export function readGguf(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = 4;
  const scalar = (type) => {
    const [, size, method] = scalars[type];
    at += size;
    return view[`get${method}`](at - size, true);
  };
  const u32 = () => scalar(4);
  const u64 = () => Number(scalar(10));
  const string = () => {
    const length = u64();
    at += length;
    return new TextDecoder().decode(file.subarray(at - length, at));
  };
  const value = (type) => (type === 8 ? string() : scalar(type));

  const version = u32();
  const tensorCount = u64();
  const metadataCount = u64();
  const metadata = new Map();
  for (let index = 0; index < metadataCount; index += 1) {
    const key = string();
    const type = u32();
    if (scalars[type][0] !== "array") {
      metadata.set(key, { type: scalars[type][0], value: value(type) });
      continue;
    }
    const of = u32();
    metadata.set(key, { type: "array", of: scalars[of][0], value: Array.from({ length: u64() }, () => value(of)) });
  }
  const tensors = Array.from({ length: tensorCount }, () => {
    const name = string();
    const dims = Array.from({ length: u32() }, u64);
    return { name, dims, type: u32(), offset: u64() };
  });
  const data = align(at);
  const ends = [...tensors.map(({ offset }) => offset), file.byteLength - data].toSorted((a, b) => a - b);
  return {
    version,
    metadata,
    tensors: tensors.map(({ offset, ...tensor }) => {
      const end = ends.find((other) => other > offset);
      return { ...tensor, bytes: file.subarray(data + offset, data + end) };
    }),
  };
}

/** @param {Gguf} gguf */
export function writeGguf({ version, metadata, tensors }) {
  const pieces = [];
  let length = 0;
  const push = (bytes) => {
    pieces.push(bytes);
    length += bytes.byteLength;
  };
  const scalar = (type, value) => {
    const [, size, method] = scalars[typeNumber(type)];
    const view = new DataView(new ArrayBuffer(size));
    view[`set${method}`](0, method.startsWith("Big") ? BigInt(value) : Number(value), true);
    push(new Uint8Array(view.buffer));
  };
  const string = (text) => {
    const bytes = new TextEncoder().encode(text);
    scalar("u64", bytes.length);
    push(bytes);
  };
  const value = (type, item) => (type === "string" ? string(item) : scalar(type, item));

  push(new TextEncoder().encode("GGUF"));
  scalar("u32", version);
  scalar("u64", tensors.length);
  scalar("u64", metadata.size);
  for (const [key, { type, value: item, of }] of metadata) {
    string(key);
    scalar("u32", typeNumber(type));
    if (type !== "array") {
      value(type, item);
      continue;
    }
    scalar("u32", typeNumber(of));
    scalar("u64", item.length);
    for (const element of item) value(of, element);
  }
  let offset = 0;
  for (const { name, dims, type, bytes } of tensors) {
    string(name);
    scalar("u32", dims.length);
    for (const dim of dims) scalar("u64", dim);
    scalar("u32", type);
    scalar("u64", offset);
    offset = align(offset + bytes.byteLength);
  }
  push(new Uint8Array(align(length) - length));
  for (const { bytes } of tensors) {
    push(bytes);
    push(new Uint8Array(align(bytes.byteLength) - bytes.byteLength));
  }
  return Buffer.concat(pieces);
}

const plainTemplate = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";

/**
 * A small random Llama with a byte vocabulary and a chat template; `dim` and `blocks` make it slower, `seed` another,
 * `markers` are control tokens.
 */
export function tinyModel({ dim = 32, blocks = 2, contextLength = 256, template = plainTemplate, markers = [], seed = 1 } = {}) {
  const heads = 4;
  const kvHeads = 2;
  const hidden = dim * 2;
  const random = seeded(seed);
  const words = [..."▁abcdefghijklmnopqrstuvwxyz.,", "▁a", "▁b", "th", "▁th", "▁the", "he", "er", "in", "an"];
  const hex = (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
  const tokens = ["<unk>", "<s>", "</s>", ...Array.from({ length: 256 }, (_, byte) => hex(byte)), ...words, ...markers];
  const kind = (index) => [2, 3, 3][index] ?? (index < 259 ? 6 : index < 259 + words.length ? 1 : 3);
  const u32 = (value) => ({ type: "u32", value });
  const tensor = (name, rows, columns = 1, mean = 0) => ({
    name,
    dims: columns === 1 ? [rows] : [columns, rows],
    type: F32,
    bytes: new Uint8Array(Float32Array.from({ length: rows * columns }, () => mean + random() / Math.sqrt(columns === 1 ? dim : columns)).buffer),
  });
  const block = (n) => [
    tensor(`blk.${n}.attn_norm.weight`, dim, 1, 1),
    tensor(`blk.${n}.attn_q.weight`, dim, dim),
    tensor(`blk.${n}.attn_k.weight`, (dim / heads) * kvHeads, dim),
    tensor(`blk.${n}.attn_v.weight`, (dim / heads) * kvHeads, dim),
    tensor(`blk.${n}.attn_output.weight`, dim, dim),
    tensor(`blk.${n}.ffn_norm.weight`, dim, 1, 1),
    tensor(`blk.${n}.ffn_gate.weight`, hidden, dim),
    tensor(`blk.${n}.ffn_up.weight`, hidden, dim),
    tensor(`blk.${n}.ffn_down.weight`, dim, hidden),
  ];
  return {
    version: 3,
    metadata: new Map([
      ["general.architecture", { type: "string", value: "llama" }],
      ["general.name", { type: "string", value: "tiny" }],
      ["llama.context_length", u32(contextLength)],
      ["llama.embedding_length", u32(dim)],
      ["llama.block_count", u32(blocks)],
      ["llama.feed_forward_length", u32(hidden)],
      ["llama.attention.head_count", u32(heads)],
      ["llama.attention.head_count_kv", u32(kvHeads)],
      ["llama.rope.dimension_count", u32(dim / heads)],
      ["llama.attention.layer_norm_rms_epsilon", { type: "f32", value: 1e-5 }],
      ["tokenizer.ggml.model", { type: "string", value: "llama" }],
      ["tokenizer.ggml.tokens", { type: "array", of: "string", value: tokens }],
      ["tokenizer.ggml.scores", { type: "array", of: "f32", value: tokens.map((_, index) => -index) }],
      ["tokenizer.ggml.token_type", { type: "array", of: "i32", value: tokens.map((_, index) => kind(index)) }],
      ["tokenizer.ggml.bos_token_id", u32(1)],
      ["tokenizer.ggml.eos_token_id", u32(2)],
      ["tokenizer.ggml.unknown_token_id", u32(0)],
      ["tokenizer.chat_template", { type: "string", value: template }],
    ]),
    tensors: [
      tensor("token_embd.weight", tokens.length, dim),
      ...Array.from({ length: blocks }, (_, n) => block(n)).flat(),
      tensor("output_norm.weight", dim, 1, 1),
      tensor("output.weight", tokens.length, dim),
    ],
  };
}

/** A small random BERT that reads the words a and b, and c behind them. */
export function tinyEncoder() {
  const [hidden, wide, contextLength] = [8, 16, 8];
  const random = seeded(2);
  const tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁a", "▁b", "▁c"];
  const u32 = (value) => ({ type: "u32", value });
  const tensor = (name, ...dims) => ({
    name,
    dims,
    type: F32,
    bytes: new Uint8Array(Float32Array.from({ length: dims.reduce((a, b) => a * b) }, random).buffer),
  });
  const pair = (name, ...dims) => [tensor(`${name}.weight`, ...dims), tensor(`${name}.bias`, dims.at(-1))];
  return {
    version: 3,
    metadata: new Map([
      ["general.architecture", { type: "string", value: "bert" }],
      ["general.name", { type: "string", value: "tiny encoder" }],
      ["bert.embedding_length", u32(hidden)],
      ["bert.block_count", u32(1)],
      ["bert.feed_forward_length", u32(wide)],
      ["bert.attention.head_count", u32(2)],
      ["bert.context_length", u32(contextLength)],
      ["bert.attention.layer_norm_epsilon", { type: "f32", value: 1e-12 }],
      ["tokenizer.ggml.model", { type: "string", value: "bert" }],
      ["tokenizer.ggml.tokens", { type: "array", of: "string", value: tokens }],
      ["tokenizer.ggml.token_type", { type: "array", of: "i32", value: [3, 2, 3, 3, 1, 1, 1] }],
      ["tokenizer.ggml.bos_token_id", u32(2)],
      ["tokenizer.ggml.unknown_token_id", u32(1)],
      ["tokenizer.ggml.seperator_token_id", u32(3)],
      ["tokenizer.ggml.padding_token_id", u32(0)],
      ["tokenizer.ggml.mask_token_id", u32(0)],
    ]),
    tensors: [
      tensor("token_embd.weight", hidden, tokens.length),
      tensor("position_embd.weight", hidden, contextLength),
      tensor("token_types.weight", hidden, 2),
      ...pair("token_embd_norm", hidden),
      ...["attn_q", "attn_k", "attn_v", "attn_output"].flatMap((name) => pair(`blk.0.${name}`, hidden, hidden)),
      ...pair("blk.0.attn_output_norm", hidden),
      ...pair("blk.0.ffn_up", hidden, wide),
      ...pair("blk.0.ffn_down", wide, hidden),
      ...pair("blk.0.layer_output_norm", hidden),
    ],
  };
}

/** The files of `model` as gguf-split cuts them, before the tensors of these numbers. */
export function splitGguf({ version, metadata, tensors }, cuts) {
  const starts = [0, ...cuts];
  return starts.map((start, index) => {
    const own = [
      ["split.no", { type: "u16", value: index }],
      ["split.count", { type: "u16", value: starts.length }],
      ["split.tensors.count", { type: "i32", value: tensors.length }],
    ];
    return writeGguf({ version, metadata: new Map(index === 0 ? [...metadata, ...own] : own), tensors: tensors.slice(start, starts[index + 1]) });
  });
}

/** Numbers of about [-1.7, 1.7], always the same (an xorshift). */
function seeded(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) / 2 ** 32 - 0.5) * 3.46;
  };
}
