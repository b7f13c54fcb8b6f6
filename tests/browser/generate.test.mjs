// The command line's own path, `tools/generate.mjs` as `cargo xtask generate` calls it: one golden text, one typed error.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { assets, withoutAssets } from "./harness.mjs";

const tool = fileURLToPath(new URL("../../tools/generate.mjs", import.meta.url));
const generate = (...args) => spawnSync(process.execPath, [tool, ...args], { encoding: "utf8", timeout: 60_000 });

test("generate --json writes the golden ids and text, and nothing else", { skip: withoutAssets }, () => {
  const golden = JSON.parse(readFileSync(join(assets, "goldens", "models", "stories260K.json"), "utf8")).variants.f32;
  const model = join(assets, "weights", "stories260K", "stories260K.gguf");
  const { stdout, status } = generate("--model", model, "--prompt=Once upon a time", "--max-tokens", "64", "--temperature", "0", "--json");
  assert.equal(status, 0);
  const found = JSON.parse(stdout);
  assert.deepEqual(found.token_ids, golden.greedy_ids.slice(0, 64));
  assert.ok(found.text.length > 100 && golden.text.startsWith(found.text), found.text);
  assert.deepEqual(Object.keys(found), ["text", "token_ids", "finish_reason", "backend", "timings", "stats"]);
  assert.equal(found.finish_reason, "length");
});

test("generate tells what is wrong with a file, and fails", () => {
  const file = join(tmpdir(), `tabmind-no-model-${process.pid}.gguf`);
  writeFileSync(file, "<!doctype html><title>not a model</title>");
  const { stdout, stderr, status } = generate("--model", file, "--prompt=x", "--json");
  assert.equal(status, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /not_gguf: .*web page/u);
});
