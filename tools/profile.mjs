// Where a token's time goes: `node tools/profile.mjs --model FILE [--threads N] [--context N] [--tokens N] [--functions]`
// decodes in the built package while Chromium samples each of its threads, and prints milliseconds per token by part.
import { parseArgs } from "node:util";
import { makePrompts, openBenchPage, urlOf } from "./bench-turn.mjs";

const text = { type: "string" };
const { values } = parseArgs({
  options: {
    model: text,
    build: text,
    threads: { ...text, default: "1" },
    context: { ...text, default: "128" },
    tokens: { ...text, default: "64" },
    functions: { type: "boolean", default: false },
  },
});
const [threads, context, tokens] = [values.threads, values.context, values.tokens].map(Number);
const options = { backend: "cpu", threads, contextLength: 2048, ...(values.build ? { build: values.build } : {}) };

/** Parts by names of functions. What has none of these names belongs to the part of what called it. */
const parts = [
  ["products", /cpu::(project|packing)/u],
  ["attention", /cpu::(attend|attention|kv_cache)|math::(softmax|exponentials)/u],
  ["waiting", /cpu::team|\(idle\)/u],
  ["norms, activations, epilogues", /cpu::(linear|norm|activations|math)/u],
];
/** Likewise by thread: the engine's worker leads, the others do nothing but what they are given. */
const restOf = (title) => (title === "tabmind thread" ? "waiting" : "sampling, text, messages");

/** A session with each of the page's workers, the engine's first. */
async function workers(browser) {
  const cdp = await browser.newBrowserCDPSession();
  const { targetInfos } = await cdp.send("Target.getTargets", { filter: [{ type: "worker", exclude: false }] });
  const ours = targetInfos.filter(({ title }) => title.startsWith("tabmind"));
  return Promise.all(
    ours.map(async ({ targetId, title }) => {
      const { sessionId } = await cdp.send("Target.attachToTarget", { targetId, flatten: false });
      let last = 0;
      const send = (method, params = {}) =>
        new Promise((resolve, reject) => {
          const id = (last += 1);
          const listen = ({ sessionId: from, message }) => {
            const answer = JSON.parse(message);
            if (from !== sessionId || answer.id !== id) return;
            cdp.off("Target.receivedMessageFromTarget", listen);
            if (answer.error) reject(new Error(answer.error.message));
            else resolve(answer.result);
          };
          cdp.on("Target.receivedMessageFromTarget", listen);
          cdp.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method, params }) }).catch(reject);
        });
      return { title, send };
    }),
  );
}

/** Milliseconds that each part, and each function itself, took. */
function timesOf({ nodes, samples, timeDeltas }, rest) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const partOf = new Map();
  const place = (node, above) => {
    const part = parts.find(([, names]) => names.test(node.callFrame.functionName))?.[0] ?? above;
    partOf.set(node.id, part);
    for (const id of node.children ?? []) place(byId.get(id), part);
  };
  place(nodes[0], rest);
  const times = { parts: new Map(), functions: new Map() };
  const add = (map, key, ms) => map.set(key, (map.get(key) ?? 0) + ms);
  for (const [index, id] of samples.entries()) {
    const ms = (timeDeltas[index + 1] ?? 0) / 1000;
    add(times.parts, partOf.get(id), ms);
    add(times.functions, byId.get(id).callFrame.functionName, ms);
  }
  return times;
}

function print(title, times) {
  console.log(title);
  const perToken = [...times].map(([name, ms]) => [name, ms / tokens]).toSorted(([, a], [, b]) => b - a);
  for (const [name, ms] of perToken.filter(([, time]) => time >= 0.01)) console.log(`  ${ms.toFixed(2).padStart(6)}  ${name}`);
}

const [warmUp, prompt] = await makePrompts(values.model, options, [16, context]);
const { page, browser, close } = await openBenchPage([values.model]);
const call = (name, ...args) => page.evaluate(async ([f, params]) => (await import("/bench/bench-page.mjs"))[f](...params), [name, args]);
try {
  await call("open", "tabmind", urlOf(values.model), options, warmUp);
  await call("generate", prompt, 8); // the second time, the prompt is remembered: what follows is decoding
  const found = await workers(browser);
  for (const { send } of found) {
    await send("Profiler.enable");
    await send("Profiler.setSamplingInterval", { interval: 100 });
  }
  await Promise.all(found.map(({ send }) => send("Profiler.start")));
  const { decodeMs } = await call("generate", prompt, tokens);
  console.log(`${(decodeMs / (tokens - 1)).toFixed(2)} ms per token after ${context} tokens of context; of these, in each thread:`);
  for (const { title, send } of found) {
    const times = timesOf((await send("Profiler.stop")).profile, restOf(title));
    print(title, times.parts);
    if (values.functions) print(`${title}, by function`, times.functions);
  }
} finally {
  await close();
}
