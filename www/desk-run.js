/*
 * One form from one message: asks the model, tells of the text while it grows, and gives the form with the probability of each field.
 */
import { tasks } from "./tabmind.js";

/** @typedef {import("./desk-samples.js").TaskName} TaskName */
/** @typedef {Record<string, string | number | null>} Form */
/** @typedef {{ form: Form, confidence: Record<string, number>, usage: import("./tabmind.js").Usage, timings: import("./tabmind.js").Timings }} Filled */

/**
 * @param {import("./tabmind.js").Engine} engine
 * @param {TaskName} name
 * @param {string} message
 * @param {{ signal: AbortSignal, onText: (json: string) => void }} options
 * @returns {Promise<Filled>}
 */
export async function fillForm(engine, name, message, { signal, onText }) {
  const task = tasks[name];
  const stream = await engine.chat.completions.create({ ...task.request(message), stream: true, stream_options: { include_usage: true } }, { signal });
  let json = "";
  /** @type {import("./tabmind.js").TokenLogprob[]} */
  const tokens = [];
  /** @type {string | null} */
  let ending = null;
  /** @type {Partial<Pick<Filled, "usage" | "timings">>} */
  const counts = {};
  for await (const { choices, usage, timings } of stream) {
    const choice = choices[0];
    if (choice?.delta.content) {
      json += choice.delta.content;
      onText(json);
    }
    if (choice?.logprobs) tokens.push(...choice.logprobs.content);
    ending = choice?.finish_reason ?? ending;
    if (usage) counts.usage = usage;
    if (timings) counts.timings = timings;
  }
  const parsed = task.parse({ choices: [{ message: { content: json }, logprobs: { content: tokens }, finish_reason: ending }] });
  return { .../** @type {{ form: any, confidence: any }} */ (parsed), .../** @type {Pick<Filled, "usage" | "timings">} */ (counts) };
}
