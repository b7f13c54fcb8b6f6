/*
 * Pictures of the extension as it ships, for its README and for looking at.
 *
 *   node tools/screenshots-extension.mjs [--out docs/screenshots]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchWithExtension } from "./chromium.mjs";
import { assembleExtension } from "./extension.mjs";
import { inRepository } from "./site.mjs";

const THEMES = /** @type {const} */ (["light", "dark"]);
const MESSAGE = "Hi, the printer on the third floor is jammed again and I need it by Friday. Ana Torres";

const { values: options } = parseArgs({ options: { out: { type: "string", default: inRepository("docs/screenshots") } } });
const scratch = mkdtempSync(join(tmpdir(), "tabmind-pictures-"));
const folder = join(scratch, "extension");
assembleExtension(folder);
const { context, id } = await launchWithExtension({ folder, profile: join(scratch, "profile") });
try {
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(`error in the page: ${error.message}`));
  for (const theme of THEMES) {
    await page.emulateMedia({ colorScheme: theme });
    const shoot = async (/** @type {string} */ state) => {
      const path = join(options.out, `extension-${state}-${theme}.png`);
      await page.screenshot({ path });
      console.log(path);
    };
    await page.setViewportSize({ width: 400, height: 720 });
    await page.goto(`chrome-extension://${id}/panel.html`);
    await page.waitForSelector("#form-actions:visible");
    await page.click("#clear-forms");
    await page.waitForSelector("#welcome:visible");
    await shoot("welcome");
    await page.fill("#input", MESSAGE);
    await page.click("[data-task=ticket]");
    await page.waitForSelector(".form-table");
    await page.evaluate(() => scrollTo(0, 0));
    await shoot("form");
    await page.click("#model summary");
    await shoot("models");
    await page.setViewportSize({ width: 460, height: 420 });
    await page.goto(`chrome-extension://${id}/permission.html?origin=https://notes.example.org`);
    await shoot("permission");
    await page.setViewportSize({ width: 720, height: 480 });
    await page.goto(`chrome-extension://${id}/options.html`);
    await page.waitForSelector("#state:not(:empty)");
    await shoot("options");
  }
} finally {
  await context.close();
  rmSync(scratch, { recursive: true, force: true });
}
