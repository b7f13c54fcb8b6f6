// Lets a model write one entry: cuts what it reads to what it can read, streams what it writes into the entry.
import { cutToBudget, describeCut } from "./budget.js";
import { formTask, isForm, orderMessages, pageMessage } from "./tasks.js";

/**
 * @typedef {import("../protocol.js").Entry} Entry
 * @typedef {import("../protocol.js").PageText} PageText
 * @typedef {import("tabmind").ChatMessage} ChatMessage
 * @typedef {import("tabmind").Engine} Engine
 * @typedef {{ engine: Engine, entry: Entry, signal: AbortSignal, changed: () => void }} Job
 */

/** An answer may take a third of the context, and this many tokens where there is room. */
const MAX_ANSWER_TOKENS = 1024;
const answerTokens = (/** @type {Engine} */ { info }) => Math.min(MAX_ANSWER_TOKENS, Math.floor(info.contextLength / 3));
/** A tiny model writes a thousand tokens a second; nobody reads that fast. The end is shown in any case. */
const REDRAW_MS = 40;

/**
 * One of the tasks that a general model does with a text.
 * @param {Job} job
 * @param {string} text
 */
export async function writeTask(job, text) {
  const kind = /** @type {"summarise" | "rewrite" | "explain"} */ (job.entry.kind);
  const room = job.engine.info.contextLength - answerTokens(job.engine);
  const cut = await cutToBudget(text, room, (part) => job.engine.countTokens(orderMessages(kind, part)));
  job.entry.note = describeCut(cut.share);
  await stream(job, orderMessages(kind, cut.text));
}

/**
 * The next turn of a chat, perhaps about a page. What was said longest ago is left out first, and the page is cut to the rest.
 * @param {Job} job
 * @param {ChatMessage[]} turns the last one is the question
 * @param {PageText | null} page
 */
export async function writeTurn(job, turns, page) {
  const { engine, entry } = job;
  const room = engine.info.contextLength - answerTokens(engine);
  const floor = page === null ? room : Math.floor(room / 2);
  let kept = turns;
  while (kept.length > 1 && (await engine.countTokens(kept)) > floor) kept = kept.slice(kept[1]?.role === "assistant" ? 2 : 1);
  if (page === null) return stream(job, kept);
  const cut = await cutToBudget(page.text, room, (part) => engine.countTokens([pageMessage(page, part), ...kept]));
  entry.note = describeCut(cut.share);
  return stream(job, [pageMessage(page, cut.text), ...kept]);
}

/**
 * @param {Job} job
 * @param {string} text
 */
export async function writeForm({ engine, entry, signal, changed }, text) {
  if (!isForm(entry.kind)) throw new Error(`${entry.kind} is not a form`);
  const task = formTask(/** @type {"ticket" | "invoice"} */ (entry.kind));
  const room = engine.info.contextLength - answerTokens(engine);
  const cut = await cutToBudget(text, room, (part) => engine.countTokens(task.request(part).messages));
  entry.note = describeCut(cut.share);
  entry.state = "streaming";
  changed();
  const completion = await engine.chat.completions.create(task.request(cut.text), { signal });
  const { form, confidence } = task.parse(completion);
  entry.form = { values: { ...form }, confidence };
  entry.text = JSON.stringify(form, null, 2);
  entry.state = "done";
}

/**
 * @param {Job} job
 * @param {ChatMessage[]} messages
 */
async function stream({ engine, entry, signal, changed }, messages) {
  const params = { messages, stream: /** @type {const} */ (true), max_tokens: answerTokens(engine), enable_thinking: false };
  let shownAt = 0;
  for await (const chunk of await engine.chat.completions.create(params, { signal })) {
    const choice = chunk.choices[0];
    entry.text += choice?.delta.content ?? "";
    entry.state = "streaming";
    if (choice?.finish_reason) entry.state = choice.finish_reason === "length" ? "length" : "done";
    if (performance.now() - shownAt < REDRAW_MS) continue;
    shownAt = performance.now();
    changed();
  }
}
