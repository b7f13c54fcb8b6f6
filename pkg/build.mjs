// Builds dist/ from nothing: the TypeScript, and the wasm that `cargo xtask build` left in wasm/.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");

rmSync(join(here, "dist"), { recursive: true, force: true });
execFileSync(process.execPath, [tsc, "-p", here], { stdio: "inherit" });
for (const file of ["tabmind.js", "tabmind_bg.wasm"]) {
  const built = join(here, "wasm", file);
  if (existsSync(built)) copyFileSync(built, join(here, "dist", file));
  // The types can be worked on without Rust; a package without wasm must not be published.
  else if (process.argv.includes("--types-only")) console.log(`tabmind: wasm/${file} is missing, dist/ has only the TypeScript`);
  else throw new Error(`pkg/wasm/${file} is missing: run \`cargo xtask build\``);
}

// The embedded model: an asset that is fetched when `embedded:desk` is loaded, and not before.
mkdirSync(join(here, "dist", "models"));
copyFileSync(join(here, "..", "models", "desk", "desk.gguf"), join(here, "dist", "models", "desk.gguf"));
