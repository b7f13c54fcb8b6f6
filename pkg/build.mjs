// Builds dist/ from nothing: the TypeScript, and the wasm that `cargo xtask build` left in wasm/.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");

rmSync(join(here, "dist"), { recursive: true, force: true });
execFileSync(process.execPath, [tsc, "-p", here], { stdio: "inherit" });
// The border's types are written by hand, and tsc leaves such files where they are.
for (const file of readdirSync(join(here, "src")).filter((name) => name.endsWith(".d.ts"))) {
  copyFileSync(join(here, "src", file), join(here, "dist", file));
}
for (const build of ["simd", "relaxed", "simd-threads", "relaxed-threads"]) {
  for (const file of [`tabmind-${build}.js`, `tabmind-${build}_bg.wasm`]) {
    const built = join(here, "wasm", file);
    if (existsSync(built)) copyFileSync(built, join(here, "dist", file));
    // Work goes on with what is there; a package that lacks a module must not be published.
    else if (process.argv.includes("--partial")) console.log(`tabmind: wasm/${file} is missing`);
    else throw new Error(`pkg/wasm/${file} is missing: run \`cargo xtask build\``);
  }
}

// Whoever gets these files gets their licences with them: from npm, from a site, in an extension.
for (const file of ["LICENSE-APACHE", "LICENSE-MIT"]) copyFileSync(join(here, "..", file), join(here, "dist", file));

// The embedded model: an asset that is fetched when `embedded:desk` is loaded, and not before.
mkdirSync(join(here, "dist", "models"));
copyFileSync(join(here, "..", "models", "desk", "desk.gguf"), join(here, "dist", "models", "desk.gguf"));
