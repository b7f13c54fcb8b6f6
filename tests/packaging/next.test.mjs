// Next.js, with its own bundler: the package in a client component of a site that is exported as files. Apart from the other
// apps because it takes as long to install as all of them.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launchChromium } from "../../tools/chromium.mjs";
import { serve } from "../../tools/serve.mjs";
import { install } from "./install.mjs";
import { assertWorks, open } from "./open.mjs";

const { folder, skip } = install("packaging-next");

let browser;
before(async () => {
  if (skip === false) browser = await launchChromium();
});
after(() => browser?.close());

test("Next.js, a client component", { skip, timeout: 300_000 }, async () => {
  const environment = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };
  execFileSync(join(folder, "node_modules", ".bin", "next"), ["build"], { cwd: folder, env: environment, stdio: ["ignore", "ignore", "inherit"] });
  for (const isolated of [false, true]) {
    const site = await serve({ folders: { "/": join(folder, "out") }, isolated });
    try {
      assertWorks(await open(browser, site.url), site.url, isolated);
    } finally {
      await site.close();
    }
  }
});
