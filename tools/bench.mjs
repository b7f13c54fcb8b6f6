// `cargo xtask bench`: the built package and a peer on the same GGUF, in the same Chromium, in turns. The table on
// standard output, or with --json one object; what happens meanwhile on standard error.
import { readFile, stat } from "node:fs/promises";
import { cpus } from "node:os";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { makePrompts, measureStreamRate, peerFolder, runTurn } from "./bench-turn.mjs";
import { summarise, table } from "./bench-report.mjs";
import { readGguf } from "./gguf.mjs";
import { inRepository } from "./site.mjs";

const text = { type: "string" };
const flag = { type: "boolean", default: false };
const { values } = parseArgs({
  options: {
    model: text,
    peer: { ...text, default: "wllama" },
    backend: { ...text, default: "cpu" },
    build: text,
    threads: { ...text, default: "1" },
    runs: { ...text, default: "3" },
    prompts: { ...text, default: "128,32,512,1500" },
    tokens: { ...text, default: "64" },
    full: flag,
    json: flag,
  },
});

const promptLengths = values.prompts.split(",").map((length) => Number(length));
const [nPrompt] = promptLengths;
const nTokens = Number(values.tokens);
const threads = Number(values.threads);
const engines = values.peer === "none" ? ["tabmind"] : ["tabmind", values.peer];
const versions = {
  tabmind: await versionOf(inRepository("pkg")),
  ...(values.peer === "wllama" ? { wllama: await versionOf(peerFolder) } : {}),
};
const say = (line) => console.error(`· ${line}`);
const gguf = await readGguf(values.model);
const contextLength = Math.min(2048, gguf.contextLength);
const options = { backend: values.backend, threads, contextLength, ...(values.build ? { build: values.build } : {}) };

/** What an engine is asked. The peer needs minutes for long prompts, so that it has the first one only. */
function lengthsFor(engine) {
  const lengths = engine === "tabmind" || values.full ? promptLengths : [nPrompt];
  return lengths.filter((length) => length + nTokens <= contextLength);
}

async function versionOf(folder) {
  return JSON.parse(await readFile(`${folder}/package.json`, "utf8")).version;
}

/** Refuses what would make the comparison false, and says what makes it doubtful. */
function check(engine, { opened, results }, jobs) {
  if (opened.threads !== threads) throw new Error(`${engine} runs on ${opened.threads} threads, not on ${threads}`);
  for (const [index, { cachedTokens, promptTokens, tokens, promptMs, decodeMs, wallMs, cores }] of results.entries()) {
    // Every prompt may begin with the same BOS token.
    if (cachedTokens > 1) throw new Error(`${engine} took ${cachedTokens} prompt tokens from a cache`);
    const wanted = jobs[index].nPrompt;
    if (promptTokens !== wanted) throw new Error(`${engine} read ${promptTokens} prompt tokens instead of ${wanted}`);
    if (tokens !== nTokens) throw new Error(`${engine} wrote ${tokens} tokens instead of ${nTokens}`);
    const told = promptMs + decodeMs;
    if (wallMs - told > Math.max(50, wallMs / 10)) {
      say(`${engine} says ${told.toFixed(0)} ms, the clock on the wall ${wallMs.toFixed(0)} ms`);
    }
    // Processor time comes in steps that say nothing about a short job.
    if (cores !== null && wallMs > 1000 && cores < 0.75 * threads) {
      say(`${engine} had ${cores.toFixed(2)} processors for its ${threads} threads: is the machine busy?`);
    }
  }
}

/** The prompts of one run, which both engines get: for opening, for warming up, then the measured ones. */
async function planRun() {
  const measured = lengthsFor("tabmind");
  const [first, warmUp, ...rest] = await makePrompts(values.model, options, [4, 16, ...measured]);
  const prompts = new Map(measured.map((length, index) => [length, rest[index]]));
  return (engine) => [
    { prompt: first, nTokens: 1 },
    { prompt: warmUp, nTokens: 8 },
    ...lengthsFor(engine).map((length) => ({ prompt: prompts.get(length), nTokens, nPrompt: length })),
  ];
}

function listTypes(bytesByType) {
  return Object.entries(bytesByType)
    .toSorted(([, a], [, b]) => b - a)
    .map(([type, bytes]) => `${type} ${(bytes / 1e6).toFixed(1)} MB`)
    .join(", ");
}

/** How far two greedy texts agree; engines that round differently part somewhere, but not at once. */
function compareTexts(turns) {
  const [ours, peer] = engines.map((engine) => turns.findLast((turn) => turn.engine === engine)?.results[0].text);
  if (peer === undefined) return;
  const differs = [...ours].findIndex((character, index) => character !== peer[index]);
  say(differs < 0 ? "both wrote the same text" : `both wrote the same text up to character ${differs} of ${ours.length}`);
}

async function main() {
  const fileBytes = (await stat(values.model)).size;
  say(`${basename(values.model)}: ${(fileBytes / 1e6).toFixed(1)} MB (${listTypes(gguf.bytesByType)})`);
  const streamRate = await measureStreamRate();
  say(`one thread of this browser reads ${streamRate.toFixed(1)} GB/s`);

  const plan = await planRun();
  const turns = [];
  for (let run = 0; run < Number(values.runs); run += 1) {
    for (const engine of engines) {
      say(`run ${run + 1} of ${values.runs}: ${engine}`);
      const turn = await runTurn({ engine, model: values.model, options, jobs: plan(engine) });
      check(engine, turn, plan(engine).slice(2));
      turns.push({ engine, ...turn });
    }
  }
  compareTexts(turns);

  const report = summarise({
    turns,
    versions,
    nPrompt,
    model: basename(values.model),
    backend: values.backend,
    threads,
    bytesByType: gguf.bytesByType,
    bytesPerToken: gguf.bytesPerToken,
    streamRate,
    processor: cpus()[0]?.model ?? "unknown",
  });
  console.log(values.json ? JSON.stringify(report, null, 2) : table(report));
}

try {
  await main();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
