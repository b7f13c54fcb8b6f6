// Where this repository's parts are, and how they are laid out for a browser.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** A path in the repository. */
export const inRepository = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** The package as pages import it. */
export const packageFolder = { "/pkg/": inRepository("pkg/dist") };

/** The demo page and the package beside it: the same tree that `cargo xtask package` copies. */
export const demoFolders = { "/": inRepository("www"), ...packageFolder };

/** Test data that is not part of the repository. */
const assets = process.env.TABMIND_ASSETS ?? "../shared/assets";

/** The models that are there without being asked for: committed ones, and those among the test data. */
export const knownModels = [inRepository("models"), resolve(inRepository("."), assets, "weights")].filter((path) => existsSync(path));
