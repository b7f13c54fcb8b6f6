// axe-core finds nothing serious in the demo page: each room, light and dark, phone and desktop.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { loadModel, useDemo } from "./demo.mjs";

const demo = useDemo();
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const devices = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
};

/** What axe finds of weight, as lines. */
async function findings(page, where) {
  // By the debugger, which the page's policy does not bind.
  await page.evaluate(`if (!window.axe) { ${axe} }`);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${where}: ${id} at ${target.join(" ")}: ${failureSummary}`));
}

for (const [device, shape] of Object.entries(devices)) {
  for (const colorScheme of ["light", "dark"]) {
    test(`${device}, ${colorScheme}`, async (t) => {
      const page = await demo.visit(t, { ...shape, colorScheme });
      const found = await findings(page, "form");
      for (const room of ["tab-model", "tab-left", "tab-bench"]) {
        await page.click(`#${room}`);
        found.push(...(await findings(page, room)));
      }
      await loadModel(page);
      for (const way of ["tab-chat", "tab-complete", "tab-structured", "tab-tools", "tab-tokens"]) {
        await page.click(`#${way}`);
        found.push(...(await findings(page, way)));
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.deepEqual({ found, wide }, { found: [], wide: 0 });
    });
  }
}
