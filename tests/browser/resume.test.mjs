// A download that is killed again and again ends with the right bytes, and hardly any of them were served twice.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createFaults } from "./faults.mjs";
import { tinyModel, writeGguf } from "./gguf-writer.mjs";
import { soak, useHarness } from "./harness.mjs";

const kills = soak ? 50 : 6;
const model = writeGguf(tinyModel({ dim: 512, blocks: soak ? 24 : 6 }));
const sha256 = createHash("sha256").update(model).digest("hex");
const faults = createFaults(model);
const harness = useHarness({ handle: faults.handle });

test(`killed ${kills} times at random points`, { timeout: 900_000 }, async (t) => {
  const context = await harness.browser.newContext();
  t.after(() => context.close());
  // Until the server learns that a tab is gone it goes on sending, whatever the loader does: a quarter of a second on a
  // busy machine. 50 of those must not be a twentieth of the download, so the line of 50 kills is a slow one.
  const path = `/faults/slow=${soak ? 32 : 4}/model.gguf`;
  const sent = () => faults.requests(path).reduce((sum, request) => sum + request.sent, 0);
  for (let kill = 0; kill < kills; kill += 1) {
    const page = await harness.page(t, "", context);
    await page.evaluate((url) => void window.tabmind.load(url).catch(() => {}), path);
    // At a random point of what is left, so that all of them come before the end.
    const target = sent() + ((model.length - sent()) / (kills - kill)) * 2 * Math.random();
    while (sent() < Math.min(target, model.length * 0.98)) await new Promise((resolve) => setTimeout(resolve, 5));
    if (kill % 2 === 0) await page.close();
    else await page.goto("chrome://crash").catch(() => {});
  }
  const page = await harness.page(t, "", context);
  const info = await page.evaluate(async (url) => {
    const engine = await window.tabmind.load(url);
    await engine.close();
    return engine.info;
  }, path);
  assert.equal(info.sha256, sha256);
  t.diagnostic(`${kills} kills, ${(model.length / 1e6).toFixed(1)} MB: ${sent()} bytes served, ${(sent() / model.length).toFixed(4)} of the file`);
  // What was on its way is lost each time; 50 times of it may be a twentieth of the file.
  assert.ok(sent() <= model.length * (soak ? 1.05 : 1.1), `${sent()} bytes were served of ${model.length}`);
});
