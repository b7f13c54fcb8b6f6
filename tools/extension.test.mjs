// What is laid out for each browser: complete, without what only developers need, and with a manifest that fits.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { assembleExtension, forFirefox } from "./extension.mjs";
import { inRepository, packageFolder } from "./site.mjs";

const manifest = JSON.parse(readFileSync(inRepository("extension/manifest.json"), "utf8"));

test("Firefox gets no key or permission that it does not know", () => {
  const firefox = forFirefox(manifest);
  assert.deepEqual(firefox.background, { page: "firefox-background.html" });
  assert.equal(firefox.sidebar_action.default_panel, "panel.html");
  assert.deepEqual(firefox.permissions, ["activeTab", "contextMenus", "scripting", "unlimitedStorage"]);
  for (const key of ["side_panel", "minimum_chrome_version", "cross_origin_embedder_policy"]) assert.equal(firefox[key], undefined);
  assert.equal(firefox.content_security_policy, manifest.content_security_policy);
});

test("the permissions are these and no more", () => {
  assert.deepEqual(manifest.permissions, ["activeTab", "contextMenus", "offscreen", "scripting", "sidePanel", "unlimitedStorage"]);
  assert.equal(manifest.host_permissions, undefined);
  assert.equal(manifest.content_scripts, undefined);
  const readme = readFileSync(inRepository("extension/README.md"), "utf8");
  for (const name of manifest.permissions) assert.match(readme, new RegExp(`\\| .*\`${name}\`.* \\|`, "u"), `${name} is justified`);
});

const withoutPackage = existsSync(packageFolder["/pkg/"]) ? false : "the package is not built";
for (const browser of ["chrome", "firefox"]) {
  test(`everything that ${browser}'s extension refers to is in it`, { skip: withoutPackage }, () => {
    const folder = mkdtempSync(join(tmpdir(), "tabmind-layout-"));
    try {
      assembleExtension(folder, browser);
      const files = readdirSync(folder, { recursive: true }).map(String);
      assert.ok(!files.some((file) => /\.d\.ts$|\.test\.mjs$|tsconfig|package\.json|README/u.test(file)), "nothing for developers");
      const missing = files.flatMap((file) => references(join(folder, file))).filter((path) => !existsSync(path));
      assert.deepEqual(missing, []);
      assert.ok(files.some((file) => file === "host/start.js") && files.includes("page/Readability.js"));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

/** The files that a script, page or manifest of the extension names. */
function references(file) {
  if (/[/\\]pkg[/\\]/u.test(file) || !/\.(?:js|html|json)$/u.test(file)) return [];
  const text = readFileSync(file, "utf8");
  const patterns = file.endsWith(".js") ? [/(?:from|import) "(\.[^"]+)"/gu] : file.endsWith(".html") ? [/(?:src|href)="([^"#]+)"/gu] : [/"([\w/.-]+\.(?:html|js|png))"/gu];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, path]) => resolve(dirname(file), path)));
}
