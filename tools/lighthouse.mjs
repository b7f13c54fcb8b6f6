/*
 * Lighthouse's figures for the demo page: accessibility and best practices must reach 95; performance depends on the machine and is told.
 *
 *   node tools/lighthouse.mjs [--desktop]
 *
 * Lighthouse comes from npm when it is asked for: it is too large to be a dependency of every checkout.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { findChromium, flags } from "./chromium.mjs";
import { serve } from "./serve.mjs";
import { demoFolders } from "./site.mjs";

const LIGHTHOUSE = "lighthouse@13.5.0";
const FLOORS = { accessibility: 95, "best-practices": 95, performance: 0 };

const { values: options } = parseArgs({ options: { desktop: { type: "boolean", default: false } } });
const scratch = mkdtempSync(join(tmpdir(), "tabmind-lighthouse-"));
const report = join(scratch, "report.json");
const server = await serve({ folders: demoFolders });
try {
  const args = ["--yes", LIGHTHOUSE, server.url, "--quiet", "--output=json", `--output-path=${report}`, `--only-categories=${Object.keys(FLOORS).join()}`];
  const chrome = `--chrome-flags=${["--headless=new", ...flags].join(" ")}`;
  const lighthouse = spawn("npx", [...args, chrome, ...(options.desktop ? ["--preset=desktop"] : [])], { stdio: "inherit", env: { ...process.env, CHROME_PATH: findChromium() ?? "" } });
  const [status] = await once(lighthouse, "exit");
  if (status !== 0) throw new Error(`lighthouse ended with ${status}`);
  const { categories, audits } = JSON.parse(readFileSync(report, "utf8"));
  for (const [name, floor] of Object.entries(FLOORS)) {
    const score = Math.round(categories[name].score * 100);
    const failed = categories[name].auditRefs.map(({ id }) => audits[id]).filter((audit) => audit.score !== null && audit.score < 0.9);
    console.log(`${name}: ${score}${failed.length > 0 ? ` (${failed.map(({ id }) => id).join(", ")})` : ""}`);
    if (score < floor) process.exitCode = 1;
  }
} finally {
  await server.close();
  rmSync(scratch, { recursive: true, force: true });
}
