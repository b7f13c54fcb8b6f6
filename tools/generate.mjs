// `cargo xtask generate`: one completion in headless Chromium. Text, or with --json one object, on standard output;
// everything else on standard error.
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { openPackagePage } from "./page.mjs";

const text = { type: "string" };
const { values } = parseArgs({
  options: {
    model: text,
    prompt: text,
    chat: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    "max-tokens": text,
    backend: text,
    threads: text,
    temperature: text,
    seed: text,
  },
});

/** Numbers as numbers; what is none goes through as it is, so that the package says what is wrong with it. */
const number = (value) => (value === undefined || Number.isNaN(Number(value)) ? value : Number(value));

/** Without the options that were not given: the package's defaults hold. */
const given = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

const job = {
  model: `models/${encodeURIComponent(basename(values.model))}`,
  load: given({ backend: values.backend, threads: number(values.threads), cache: "none" }),
  chat: values.chat,
  params: given({
    ...(values.chat ? { messages: [{ role: "user", content: values.prompt }] } : { prompt: values.prompt }),
    max_tokens: number(values["max-tokens"]),
    temperature: number(values.temperature),
    seed: number(values.seed),
  }),
};

/** Runs in the page. Errors come back as data: an exception would lose `code` and `hint` on its way. */
async function runInPage({ model, load: loadOptions, chat, params, json }) {
  const { load } = await import("/pkg/index.js");
  try {
    const engine = await load(new URL(model, location.href), loadOptions);
    const api = chat ? engine.chat.completions : engine.completions;
    if (!json) {
      for await (const chunk of await api.create({ ...params, stream: true })) {
        const choice = chunk.choices[0];
        await globalThis.writeText(choice?.text ?? choice?.delta?.content ?? "");
      }
      return {};
    }
    const answer = await api.create({ ...params, return_token_ids: true });
    const [choice] = answer.choices;
    const result = {
      text: choice.text ?? choice.message.content,
      token_ids: choice.token_ids,
      finish_reason: choice.finish_reason,
      backend: engine.info.backend,
      timings: answer.timings,
      stats: await engine.stats(),
    };
    await engine.close();
    return { result };
  } catch (error) {
    const { code, message, hint, stack } = error;
    return { error: { code, message, hint, stack } };
  }
}

/** What the user reads about a failure; one without a code is a fault of ours and comes with its stack. */
function explain({ code, message, hint, stack }) {
  if (!code) return stack ?? message;
  return hint ? `${code}: ${message}\n  ${hint}` : `${code}: ${message}`;
}

const { page, close } = await openPackagePage({ models: [values.model] });
try {
  await page.exposeFunction("writeText", (piece) => void process.stdout.write(piece));
  const { result, error } = await page.evaluate(runInPage, { ...job, json: values.json });
  if (error) {
    console.error(explain(error));
    process.exitCode = 1;
  } else console.log(values.json ? JSON.stringify(result, null, 2) : "");
} finally {
  await close();
}
