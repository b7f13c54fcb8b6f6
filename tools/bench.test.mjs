import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { median, summarise, table } from "./bench-report.mjs";
import { readGguf } from "./gguf.mjs";

test("the median", () => {
  assert.equal(median([10, 9, 2]), 9);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

const result = (promptTokens, promptMs, decodeMs) => ({ promptTokens, cachedTokens: 0, promptMs, decodeMs, tokens: 11 });
const measured = {
  model: "m.gguf",
  backend: "cpu",
  threads: 1,
  processor: "a processor",
  nPrompt: 128,
  versions: { tabmind: "0.1.0", wllama: "3.8.1" },
  bytesByType: { Q4_0: 9e7 },
  bytesPerToken: 1e8,
  streamRate: 10,
  turns: [
    { engine: "tabmind", opened: { loadMs: 100, threads: 1 }, results: [result(128, 1000, 200), result(512, 4000, 400)], peakBytes: 2e8 },
    { engine: "wllama", opened: { loadMs: 400, threads: 1 }, results: [result(128, 8000, 1000)], peakBytes: 4e8 },
    { engine: "tabmind", opened: { loadMs: 120, threads: 1 }, results: [result(128, 1000, 300), result(512, 4000, 400)], peakBytes: 2e8 },
  ],
};

test("rows, ratios and the share of the memory's rate", () => {
  const report = summarise(measured);
  const decode = report.rows.find((row) => row.engine === "tabmind" && row.phase === "decode" && row.n_context === 0);
  // Eleven tokens are ten steps: 50 and 33.3 in a second.
  assert.deepEqual([decode.median, decode.min, decode.max, decode.unit], [41.67, 33.33, 50, "tok/s"]);
  assert.deepEqual(report.ratios, { load: 0.275, "prefill@128": 8, "decode@0": 4.167, "peak memory": 0.5 });
  assert.equal(report.decode_bandwidth_fraction, 0.4167);
  assert.ok(report.rows.some((row) => row.phase === "decode" && row.n_context === 512 && row.median === 25));
  assert.match(table(report), /decode@512 \| 25 \| 25 \| 25 \| tok\/s/u);
});

test("without a peer there are no ratios, and two threads have no share", () => {
  const report = summarise({ ...measured, threads: 2, turns: measured.turns.filter(({ engine }) => engine === "tabmind") });
  assert.deepEqual(report.ratios, {});
  assert.equal(report.decode_bandwidth_fraction, null);
});

const u32 = (value) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const string = (value) => Buffer.concat([u64(value.length), Buffer.from(value)]);
const tensor = (name, dims, type) =>
  Buffer.concat([string(name), u32(dims.length), ...dims.map((dim) => u64(dim)), u32(type), u64(0)]);

/** A GGUF header of two tensors and a vocabulary of three words. */
const header = () =>
  Buffer.concat(
    [
      [Buffer.from("GGUF"), u32(3), u64(2), u64(4)],
      [string("general.architecture"), u32(8), string("llama")],
      [string("llama.context_length"), u32(4), u32(512)],
      [string("numbers"), u32(9), u32(6), u64(2), u32(0), u32(0)],
      [string("tokenizer.ggml.tokens"), u32(9), u32(8), u64(3), string("a"), string("b"), string("c")],
      [tensor("token_embd.weight", [64, 3], 8), tensor("output.weight", [64, 3], 2)],
    ].flat(),
  );

test("what the benchmark reads from a GGUF", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tabmind-bench-"));
  const path = join(folder, "m.gguf");
  await writeFile(path, header());
  const gguf = await readGguf(path);
  assert.deepEqual(gguf, {
    architecture: "llama",
    contextLength: 512,
    bytesByType: { Q8_0: 204, Q4_0: 108 },
    bytesPerToken: 108,
  });
  await writeFile(path, "<html>");
  await assert.rejects(readGguf(path), /not a GGUF file/u);
  await rm(folder, { recursive: true });
});
