/*
 * Lays out the extension as a browser loads it: its own files, the package, and what it shares with the demo page.
 *
 *   node tools/extension.mjs <folder> [--browser firefox]
 *
 * Shared modules are copied here and nowhere else: the repository has each of them once.
 */
import { cpSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pathToFileURL } from "node:url";
import { inRepository, packageFolder } from "./site.mjs";

/** Modules and styles of the demo page that the extension's pages use as they are. */
const SHARED = ["base.css", "dom.js", "format.js", "logo.svg", "markdown.js", "text.css"];
/** What only serves those who work on it. */
const NOT_SHIPPED = /\.d\.ts$|(?:^|[/\\])(?:README\.md|node_modules|package\.json|test|tsconfig\.json)$/u;
const ONLY_IN = { chrome: /firefox-background\.(?:html|js)$/u, firefox: /(?:service-worker\.js|offscreen\.(?:html|js))$/u };

/**
 * @param {string} folder must not exist, or be empty
 * @param {"chrome" | "firefox"} [browser]
 */
export function assembleExtension(folder, browser = "chrome") {
  const source = inRepository("extension");
  const ships = (/** @type {string} */ path) => !NOT_SHIPPED.test(path) && !ONLY_IN[browser].test(path);
  cpSync(source, folder, { recursive: true, filter: ships });
  cpSync(packageFolder["/pkg/"], join(folder, "pkg"), { recursive: true, filter: ships });
  mkdirSync(join(folder, "www"));
  for (const file of SHARED) copyFileSync(inRepository(`www/${file}`), join(folder, "www", file));
  const readability = createRequire(join(source, "package.json")).resolve("@mozilla/readability/Readability.js");
  copyFileSync(readability, join(folder, "page", "Readability.js"));
  const { version } = JSON.parse(readFileSync(inRepository("pkg/package.json"), "utf8"));
  const manifest = { ...JSON.parse(readFileSync(join(source, "manifest.json"), "utf8")), version };
  writeFileSync(join(folder, "manifest.json"), `${JSON.stringify(browser === "firefox" ? forFirefox(manifest) : manifest, null, 2)}\n`);
}

/**
 * Firefox has no offscreen documents: its background page hosts the engine. It has a sidebar instead of side panels, and no
 * keys for cross-origin isolation, so the engine runs in one thread there.
 * @param {Record<string, any>} manifest
 */
export function forFirefox(manifest) {
  const { background, side_panel, minimum_chrome_version, cross_origin_embedder_policy, cross_origin_opener_policy, ...rest } = manifest;
  return {
    ...rest,
    background: { page: "firefox-background.html" },
    sidebar_action: { default_panel: side_panel.default_path, default_title: manifest.name, default_icon: manifest.icons },
    permissions: manifest.permissions.filter((/** @type {string} */ name) => !["offscreen", "sidePanel"].includes(name)),
    // Firefox 128 is the first with optional host permissions and scripts in the page's own world.
    browser_specific_settings: { gecko: { id: "extension@tabmind", strict_min_version: "128.0", data_collection_permissions: { required: ["none"] } } },
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { browser: { type: "string", default: "chrome" } } });
  const [folder] = positionals;
  if (!folder || !Object.hasOwn(ONLY_IN, values.browser)) throw new Error("usage: node tools/extension.mjs <folder> [--browser chrome|firefox]");
  assembleExtension(folder, /** @type {"chrome" | "firefox"} */ (values.browser));
}
