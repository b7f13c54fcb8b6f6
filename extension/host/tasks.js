// What a model is told for each thing that can be done with a text.
import { tasks } from "../tabmind.js";

/**
 * @typedef {import("../protocol.js").TaskKind} TaskKind
 * @typedef {import("tabmind").ChatMessage} ChatMessage
 */

/** Small models follow one plain order before the text better than a system prompt about their character. */
const ORDERS = {
  summarise: "Summarise the following text in a few short sentences. Keep to what it says.",
  rewrite: "Rewrite the following text so that it is clear and free of mistakes. Keep its language and its meaning. Answer with the rewritten text only.",
  explain: "Explain the following text in plain words to somebody who does not know the subject.",
};

/** @param {TaskKind | "chat"} kind */
export const isForm = (kind) => kind === "ticket" || kind === "invoice";

/**
 * @param {"summarise" | "rewrite" | "explain"} kind
 * @param {string} text
 * @returns {ChatMessage[]}
 */
export const orderMessages = (kind, text) => [{ role: "user", content: `${ORDERS[kind]}\n\n${text}` }];

/**
 * A question's context: the page that it is about.
 * @param {{ title: string }} page
 * @param {string} text as much of it as fits
 * @returns {ChatMessage}
 */
export const pageMessage = (page, text) => ({ role: "system", content: `Answer questions about this page. If it does not tell, say so.\n\nTitle: ${page.title}\n\n${text}` });

/** @param {"ticket" | "invoice"} kind */
export const formTask = (kind) => tasks[kind];
