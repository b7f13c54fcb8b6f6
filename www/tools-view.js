/*
 * Tools: functions of this page that the model may call. They run here, and each step is shown.
 */
import { byId, el } from "./dom.js";
import { createPlayground, textField } from "./playground.js";

/** What the model can call. None of them asks a network. @type {import("./tabmind.js").RunToolsParams["tools"]} */
const TOOLS = {
  clock: {
    description: "The date and time on this device.",
    run: () => new Date().toString(),
  },
  add: {
    description: "The sum of numbers.",
    schema: { type: "object", properties: { numbers: { type: "array", items: { type: "number", minimum: -1e9, maximum: 1e9 }, maxItems: 8 } }, required: ["numbers"], additionalProperties: false },
    run: (/** @type {{ numbers: number[] }} */ { numbers }) => numbers.reduce((sum, number) => sum + number, 0),
  },
  dice: {
    description: "Rolls a die.",
    schema: { type: "object", properties: { sides: { type: "integer", minimum: 2, maximum: 100 } }, required: ["sides"], additionalProperties: false },
    run: (/** @type {{ sides: number }} */ { sides }) => 1 + Math.floor(Math.random() * sides),
  },
};

/** @param {import("./playground.js").Shared} shared */
export function createToolsView(shared) {
  const prompt = textField("tools-prompt", "Question", "What time is it, and what is 17.5 plus 24?", { rows: 2 });
  const choice = el("select", { id: "tools-choice" }, el("option", { value: "auto" }, "The model decides"), el("option", { value: "required" }, "It must call one"), ...Object.keys(TOOLS).map((name) => el("option", { value: name }, `It must call ${name}`)));
  const result = el("ol", { class: "steps", id: "tools-result" });

  return createPlayground(byId("panel-tools", HTMLElement), shared, {
    title: "Tools",
    explain: `The model may call ${Object.keys(TOOLS).join(", ")}: functions of this page, whose arguments it cannot get wrong in form. Whether it calls wisely depends on the model.`,
    fields: [prompt.node, el("div", { class: "field" }, el("label", { for: "tools-choice" }, "First call"), choice)],
    result,
    action: "Ask",
    async run({ engine, sampling, signal }) {
      result.replaceChildren();
      const forced = choice.value in TOOLS ? { type: /** @type {const} */ ("function"), function: { name: choice.value } } : /** @type {"auto" | "required"} */ (choice.value);
      const { messages, text, completion } = await engine.runTools({ ...sampling, messages: [{ role: "user", content: prompt.box.value }], tools: TOOLS, tool_choice: forced, maxSteps: forced === "auto" ? 4 : 1 }, { signal });
      for (const message of messages) result.append(...describe(message));
      if (!text && messages.length === 0) result.append(el("li", {}, "The model answered with nothing."));
      return completion.usage;
    },
  });
}

/** @param {import("./tabmind.js").ChatMessage} message */
function describe({ role, content, tool_calls }) {
  const text = typeof content === "string" ? content : "";
  return [
    ...(tool_calls ?? []).map(({ function: called }) => el("li", {}, el("span", { class: "note" }, "calls "), el("code", {}, `${called.name}(${called.arguments})`))),
    ...(text ? [el("li", {}, el("span", { class: "note" }, role === "tool" ? "gets " : "says "), role === "tool" ? el("code", {}, text) : text)] : []),
  ];
}
