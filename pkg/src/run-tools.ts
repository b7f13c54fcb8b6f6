// The loop that carries out what a model calls: ask, run, tell, ask again.
import { abortError, invalid } from "./errors.js";
import { fields, show } from "./request.js";
import type { ChatCompletion, ChatMessage, Tool, ToolCall } from "./types/chat.js";
import type { ChatCompletions, RunToolsParams, RunToolsResult, RunnableTool } from "./types/engine.js";
import type { CallOptions } from "./types/chat.js";

/** Rounds of asking, unless the caller says otherwise. */
const defaultMaxSteps = 8;

/** `runTools` over a chat's `create`. */
export function toolRunner(create: ChatCompletions["create"]) {
  return async (params: RunToolsParams, options: CallOptions = {}): Promise<RunToolsResult> => {
    const { tools, maxSteps = defaultMaxSteps, onStep, ...rest } = fields("params", params) as unknown as RunToolsParams;
    const described = describe(tools);
    if (!Number.isInteger(maxSteps) || maxSteps < 1) throw invalid("maxSteps", `expected a whole number from 1 on, found ${show(maxSteps)}`);
    if ((rest.n ?? 1) !== 1) throw invalid("n", "runTools follows one answer");
    const signals = [rest.signal, options.signal].filter((signal) => signal !== undefined);
    const said: ChatMessage[] = [];
    for (let step = 1; ; step += 1) {
      const completion = await create({ ...rest, messages: [...rest.messages, ...said], tools: described, stream: false }, options);
      const message = choiceOf(completion).message;
      said.push({ ...message });
      onStep?.(completion, step);
      const calls = choiceOf(completion).finish_reason === "tool_calls" ? (message.tool_calls ?? []) : [];
      if (calls.length === 0 || step === maxSteps) {
        return { text: message.content ?? "", completion, messages: said, steps: step };
      }
      for (const call of calls) {
        if (signals.some((signal) => signal.aborted)) throw abortError();
        said.push({ role: "tool", tool_call_id: call.id, name: call.function.name, content: await run(tools, call, signals) });
      }
      // A call that was asked for has been made: now the model decides.
      if (rest.tool_choice !== "none") rest.tool_choice = "auto";
    }
  };
}

function describe(tools: Record<string, RunnableTool>): Tool[] {
  return Object.entries(fields("tools", tools)).map(([name, tool]) => {
    const { description, schema, run: work, ...unknown } = fields(`tools.${name}`, tool) as unknown as RunnableTool;
    for (const key of Object.keys(unknown)) throw invalid(`tools.${name}.${key}`, "unknown field");
    if (typeof work !== "function") throw invalid(`tools.${name}.run`, `expected a function, found ${show(work)}`);
    return {
      type: "function",
      function: { name, ...(description === undefined ? {} : { description }), ...(schema === undefined ? {} : { parameters: schema }) },
    };
  });
}

function choiceOf({ choices: [choice] }: ChatCompletion): ChatCompletion["choices"][number] {
  if (choice === undefined) throw invalid("n", "runTools needs an answer");
  return choice;
}

/** What a tool says, as text for the model; its failures too, so that the model can do something about them. */
async function run(tools: Record<string, RunnableTool>, call: ToolCall, signals: AbortSignal[]): Promise<string> {
  const { name, arguments: json } = call.function;
  const tool = Object.hasOwn(tools, name) ? tools[name] : undefined;
  if (tool === undefined) return `Error: there is no tool called ${show(name)}`;
  try {
    const result = await tool.run(JSON.parse(json) as never, { id: call.id, signal: AbortSignal.any(signals) });
    return typeof result === "string" ? result : (JSON.stringify(result) ?? "");
  } catch (error) {
    if (signals.some((signal) => signal.aborted)) throw abortError();
    return `Error: ${error instanceof Error ? error.message : String(error)}`;
  }
}
