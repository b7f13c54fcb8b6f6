/*
 * Structured output: an answer in a form that the model cannot leave. A JSON Schema, a regular expression or a grammar.
 */
import { byId, el } from "./dom.js";
import { createPlayground, parseTyped, textField } from "./playground.js";

const EXAMPLES = /** @type {Record<string, { prompt: string, form: string }>} */ ({
  json_schema: {
    prompt: "Name a town by the sea, its country, and how many people live there.",
    form: JSON.stringify({ type: "object", properties: { town: { type: "string", maxLength: 40 }, country: { type: "string", maxLength: 40 }, people: { type: "integer", minimum: 0, maximum: 99999999 } }, required: ["town", "country", "people"], additionalProperties: false }, null, 2),
  },
  regex: { prompt: "On which day is the meeting on 3 March 2026?", form: "20[0-9]{2}-[01][0-9]-[0-3][0-9]" },
  grammar: { prompt: "Is water wet? Give a verdict and how sure you are.", form: 'start: verdict ", " sure\nverdict: "yes" | "no"\nsure: /[0-9]{1,2}/ " %"' },
});
const LABELS = /** @type {Record<string, string>} */ ({ json_schema: "JSON Schema", regex: "Regular expression", grammar: "Grammar (Lark)" });

/** @param {import("./playground.js").Shared} shared */
export function createStructuredView(shared) {
  const kind = el("select", { id: "structured-kind" }, ...Object.entries(LABELS).map(([value, label]) => el("option", { value }, label)));
  const prompt = textField("structured-prompt", "Prompt", "", { rows: 2 });
  const form = textField("structured-form", "Form of the answer", "", { rows: 8, mono: true });
  const result = el("pre", { class: "result", id: "structured-result", tabindex: "0", role: "region", "aria-label": "Answer" });

  function showExample() {
    prompt.box.value = EXAMPLES[kind.value]?.prompt ?? "";
    form.box.value = EXAMPLES[kind.value]?.form ?? "";
  }

  /** @returns {import("./tabmind.js").ResponseFormat} */
  function format() {
    const text = form.box.value;
    if (kind.value === "regex") return { type: "regex", regex: text };
    if (kind.value === "grammar") return { type: "grammar", grammar: text };
    return { type: "json_schema", json_schema: { name: "answer", schema: parseTyped(text, "the schema") } };
  }

  kind.addEventListener("change", showExample);
  showExample();
  return createPlayground(byId("panel-structured", HTMLElement), shared, {
    title: "Structured output",
    explain: "The form is enforced token by token. What cannot be enforced is refused before anything is written.",
    fields: [el("div", { class: "field" }, el("label", { for: "structured-kind" }, "Kind"), kind), prompt.node, form.node],
    result,
    action: "Answer",
    async run({ engine, sampling, signal, say }) {
      result.textContent = "";
      const request = { ...sampling, response_format: format(), stream: /** @type {const} */ (true), stream_options: { include_usage: true } };
      const chunks = engine.info.hasChatTemplate
        ? await engine.chat.completions.create({ ...request, messages: [{ role: "user", content: prompt.box.value }] }, { signal })
        : await engine.completions.create({ ...request, prompt: `${prompt.box.value}\n` }, { signal });
      let usage;
      for await (const chunk of chunks) {
        const choice = chunk.choices[0];
        if (choice) result.append(("delta" in choice ? choice.delta.content : choice.text) ?? "");
        if (choice?.finish_reason === "length") say("Cut off at the limit of tokens: it is not complete.");
        usage = chunk.usage ?? usage;
      }
      return usage;
    },
  });
}
