// What `tabmind/react` promises, in the app of apps/react, which runs in React's strict mode.
import assert from "node:assert/strict";

const status = (page, text) => page.locator("#status", { hasText: text }).waitFor({ timeout: 15_000 });
const press = (page, name) => page.getByRole("button", { name }).click();
const answer = (page) => page.locator("li.assistant").last();
/** Waits until this many engines are left. */
const workers = async (page, count) => {
  while (page.workers().length !== count) await page.waitForTimeout(20);
};

/** In the page: presses Stop when the answer begins. The model fills its context sooner than a test can press twice. */
function stopAtOnce() {
  const observer = new MutationObserver(() => {
    window.lengthAtStop = document.querySelector("li.assistant")?.textContent.length ?? 0;
    if (window.lengthAtStop === 0) return;
    observer.disconnect();
    [...document.querySelectorAll("button")].find(({ textContent }) => textContent === "Stop").click();
  });
  observer.observe(document.body, { subtree: true, childList: true, characterData: true });
}

/** Each gets a page with the app's URL not yet opened. */
const promises = {
  "an answer is streamed, and the conversation goes on": async (page, url) => {
    await page.goto(url);
    await status(page, "ready, idle");
    await workers(page, 1); // strict mode loaded twice
    await page.evaluate(() => {
      window.lengths = new Set();
      const note = () => window.lengths.add(document.querySelector("li.assistant")?.textContent.length ?? 0);
      new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    for (const messages of [2, 4]) {
      await press(page, "Ask");
      await page.locator("li").nth(messages - 1).waitFor();
      await status(page, "ready, idle");
      assert.equal(await page.locator("li").count(), messages);
      assert.equal(JSON.parse(await answer(page).textContent()).category, "printing");
    }
    const seen = await page.evaluate(() => window.lengths.size);
    assert.ok(seen > 3, `the answer was shown in ${seen} lengths`);
    await press(page, "Clear");
    assert.equal(await page.locator("li").count(), 0);
  },
  "stopping keeps what was written, and the next question works": async (page, url) => {
    await page.goto(`${url}?free`);
    await status(page, "ready, idle");
    for (let round = 0; round < 2; round += 1) {
      await page.evaluate(stopAtOnce);
      await press(page, "Ask");
      await answer(page).waitFor();
      await status(page, "ready, idle");
      const [atStop, written] = [await page.evaluate(() => window.lengthAtStop), (await answer(page).textContent()).length];
      assert.ok(atStop > 0 && written < atStop + 500, `${written} characters, stopped at ${atStop}`);
      await press(page, "Clear");
    }
  },
  "unmounting ends the answer and the engine": async (page, url) => {
    await page.goto(`${url}?free`);
    await status(page, "ready, idle");
    await press(page, "Ask");
    await press(page, "Toggle");
    await workers(page, 0);
    await press(page, "Toggle");
    await press(page, "Toggle"); // in the middle of a load
    await workers(page, 0);
    await press(page, "Toggle");
    await status(page, "ready, idle");
    assert.equal(await page.locator("li").count(), 0);
  },
  "errors are told, and a load can be tried again": async (page, url) => {
    let answers = 404;
    await page.route("**/missing.gguf", (route) => (answers === 404 ? route.fulfill({ status: 404 }) : route.continue({ url: `${url}desk.gguf` })));
    await page.goto(`${url}?model=missing.gguf`);
    await status(page, "error, idle");
    assert.equal(await page.locator("#error").textContent(), "http_status");
    await press(page, "Ask");
    await status(page, "error, error");
    answers = 200;
    await press(page, "Retry");
    await status(page, "ready");
  },
};

/** Runs all of them as parts of the test `t`. */
export async function testReact(t, browser, url) {
  for (const [name, work] of Object.entries(promises)) {
    await t.test(name, { timeout: 60_000 }, async () => {
      const page = await browser.newPage();
      const uncaught = [];
      page.on("pageerror", (error) => uncaught.push(error.message));
      await work(page, url).finally(() => page.context().close());
      assert.deepEqual(uncaught, []);
    });
  }
}
