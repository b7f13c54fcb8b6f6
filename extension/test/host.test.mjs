// The host's parts that need no browser: who is next, how much a site may ask, what fits, who may do what.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { cutToBudget, describeCut } from "../host/budget.js";
import { Grants } from "../host/grants.js";
import { CALLS_AT_ONCE, CALLS_PER_MINUTE, Limits } from "../host/limits.js";
import { Queue } from "../host/queue.js";

/** What the browser has of its own. */
const stored = new Map();
globalThis.localStorage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };
beforeEach(() => stored.clear());

const never = new AbortController().signal;

test("one at a time, and the person before sites", async () => {
  const queue = new Queue();
  const order = [];
  const { promise, resolve } = withResolvers();
  const job = (who, name, work) => queue.run(who, never, async () => (order.push(name), work));
  const all = [job("site", "running", promise), job("site", "site 1"), job("site", "site 2"), job("person", "person")];
  await new Promise(setImmediate);
  assert.deepEqual(order, ["running"]);
  resolve();
  await Promise.all(all);
  assert.deepEqual(order, ["running", "person", "site 1", "site 2"]);
});

test("who leaves the queue is never started, and who fails does not hold it up", async () => {
  const queue = new Queue();
  const { promise, resolve } = withResolvers();
  const failing = queue.run("person", never, async () => {
    await promise;
    throw new Error("no");
  });
  const leaving = new AbortController();
  const left = queue.run("person", leaving.signal, async () => assert.fail("it had left"));
  leaving.abort();
  await assert.rejects(left, { name: "AbortError" });
  const last = queue.run("site", never, async () => "done");
  resolve();
  await assert.rejects(failing, /no/u);
  assert.equal(await last, "done");
});

test("a site may call so often a minute", () => {
  const limits = new Limits();
  for (let at = 0; at < CALLS_PER_MINUTE; at += 1) limits.enter("https://a", 1000 * at).leave();
  assert.deepEqual(limits.enter("https://a", 30_000), { ok: false, retryAfterSeconds: 30 });
  assert.equal(limits.enter("https://b", 30_000).ok, true, "another site");
  assert.equal(limits.enter("https://a", 60_000).ok, true, "the first call is a minute old");
});

test("a site may have so many calls at once", () => {
  const limits = new Limits();
  const places = Array.from({ length: CALLS_AT_ONCE }, () => limits.enter("https://a", 0));
  assert.equal(limits.enter("https://a", 0).ok, false);
  places[0].leave();
  assert.equal(limits.enter("https://a", 0).ok, true);
});

test("a text is cut at a word, close to the budget and never above it", async () => {
  const text = "Schifffahrt und Leuchttürme, ".repeat(500);
  const count = async (part) => Math.ceil(part.length / 3.7) + 12;
  for (const budget of [50, 300, 2000]) {
    const cut = await cutToBudget(text, budget, count);
    assert.ok((await count(cut.text)) <= budget, `${budget}`);
    assert.ok((await count(cut.text)) > budget * 0.8, `${budget}: ${await count(cut.text)}`);
    assert.ok(text.startsWith(cut.text) && /\s/u.test(text[cut.text.length]));
    assert.match(describeCut(cut.share), /first \d+ %/u);
  }
  assert.deepEqual(await cutToBudget("short", 100, count), { text: "short", share: 1 });
  assert.equal(describeCut(1), null);
  assert.equal((await cutToBudget(text, 5, count)).text, "", "not even the frame fits");
});

test("a site is asked about once, and what is decided outlives the browser", async () => {
  const opened = [];
  const open = async (origin) => void opened.push(origin);
  const grants = new Grants(open, () => {});
  const both = [grants.ask("https://a", true), grants.ask("https://a", true)];
  grants.decide("https://b", "allowed");
  assert.equal(grants.allows("https://b"), false, "nobody asked about it");
  grants.decide("https://a", "allowed");
  assert.deepEqual(await Promise.all(both), [true, true]);
  assert.deepEqual(opened, ["https://a"]);
  const later = new Grants(open, () => {});
  assert.equal(await later.ask("https://a", false), true);
  later.forget("https://a");
  assert.equal(await later.ask("https://a", false), false);
});

test("no click, no window; a closed window means rest; a window that does not open is a refusal", async () => {
  const opened = [];
  const grants = new Grants(async (origin) => void opened.push(origin), () => {});
  assert.equal(await grants.ask("https://a", false), false);
  const closed = grants.ask("https://a", true);
  grants.dismiss("https://a");
  assert.equal(await closed, false);
  assert.equal(await grants.ask("https://a", true), false);
  assert.deepEqual(opened, ["https://a"]);
  const broken = new Grants(async () => Promise.reject(new Error("no window")), () => {});
  assert.equal(await broken.ask("https://a", true), false);
});

function withResolvers() {
  let resolve;
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}
