// The package as npm ships it: what is in it, what its types say, and that importing it asks for no browser.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { builds, dist, root } from "./harness.mjs";

const pkg = join(root, "pkg");
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");

/** Compiles one file strictly; answers what the compiler said. */
function compile(file) {
  const args = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck", "false", "--allowImportingTsExtensions", "--ignoreConfig"];
  try {
    execFileSync(process.execPath, [tsc, ...args, "--types", "", "--lib", "esnext,dom,dom.iterable,dom.asynciterable", join(root, file)], { encoding: "utf8", stdio: "pipe" });
    return "";
  } catch (error) {
    return `${error.stdout}${error.stderr}`;
  }
}

test("importing needs no browser, loading says that it does", async () => {
  const { load, TabmindError } = await import("tabmind");
  await assert.rejects(load("x.gguf"), (error) => {
    assert.ok(error instanceof TabmindError);
    assert.equal(error.code, "invalid_request");
    assert.match(error.message, /Web Workers/u);
    assert.match(error.hint, /server-side/u);
    return true;
  });
});

test("the public names", async () => {
  assert.deepEqual(Object.keys(await import("tabmind/desk")).toSorted(), ["tasks"]);
  assert.deepEqual(Object.keys(await import("tabmind")).toSorted(), ["TabmindError", "cache", "estimate", "load"]);
});

test("the tarball's files", { skip: !existsSync(join(dist, "tabmind-simd_bg.wasm")) && "the wasm is not built" }, () => {
  const [{ files, size }] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: pkg, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  const sources = ["build", "cache", "connection", "desk", "desk/confidence", "desk/tasks", "embeddings", "engine", "errors", "fetch", "index", "load", "openai", "protocol", "react", "request", "run-tools", "seal", "stream", "threads", "tokenize", "types/cache", "types/chat", "types/engine", "types/stats", "worker", "wgpu"];
  const scripts = [...sources, ...builds.flatMap((build) => [`worker-${build}`, `tabmind-${build}`])];
  const modules = builds.map((build) => `dist/tabmind-${build}_bg.wasm`);
  const expected = ["README.md", "package.json", "dist/LICENSE-APACHE", "dist/LICENSE-MIT", "dist/border.d.ts", "dist/models/desk.gguf", ...modules, ...scripts.flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`])];
  // Only `cargo xtask package`, which publishes, writes the others' licences.
  const published = existsSync(join(dist, "THIRD-PARTY-LICENSES.txt")) ? ["dist/THIRD-PARTY-LICENSES.txt"] : [];
  assert.deepEqual(files.map(({ path }) => path).toSorted(), [...expected, ...published].toSorted());
  assert.ok(size < 14e6, `${size} bytes packed`);
});

test("a consumer's TypeScript compiles, and its mistakes do not", () => {
  assert.equal(compile("tests/browser/fixtures/consumer/consumer.ts"), "");
});

test("what OpenAI's own types say of an answer is true of ours", () => {
  assert.equal(compile("tests/browser/fixtures/consumer/openai.ts"), "");
});

test("the built wasm module has the agreed border", { skip: !existsSync(join(pkg, "wasm", "tabmind-relaxed-threads.d.ts")) && "the wasm is not built" }, () => {
  assert.equal(compile("tests/browser/fixtures/consumer/border.ts"), "");
});

test("the error codes are those of src/error.rs", () => {
  const rust = readFileSync(join(root, "src", "error.rs"), "utf8").matchAll(/=> "(\w+)",/gu);
  const [union] = readFileSync(join(dist, "errors.d.ts"), "utf8").match(/TabmindErrorCode = [^;]*/u);
  const words = [...union.matchAll(/"(\w+)"/gu)].map(([, word]) => word);
  assert.ok(words.length > 20);
  assert.deepEqual([...words, "aborted"], Array.from(rust, ([, word]) => word));
});

test("nothing in the package names another host, and the version is the crate's", () => {
  const files = readdirSync(dist, { recursive: true }).filter((name) => /\.(js|ts)$/u.test(name));
  assert.ok(files.length > 10);
  // wasm-bindgen's own comment cites a manual.
  const stranger = /https?:\/\/(?!example\.org|developer\.mozilla\.org\/en-US\/docs\/)[\w$[]/u;
  for (const file of files) assert.doesNotMatch(readFileSync(join(dist, file), "utf8"), stranger, file);
  const { version } = JSON.parse(readFileSync(join(pkg, "package.json"), "utf8"));
  assert.match(readFileSync(join(root, "Cargo.toml"), "utf8"), new RegExp(`^version = "${version}"`, "mu"));
});
