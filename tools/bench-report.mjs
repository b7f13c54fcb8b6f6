// From measurements to rows, ratios and a table: pure, so that it is tested without a browser.

/** The middle value, or the mean of the two in the middle. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * @param {object} measured
 * @param {{ engine: string, opened: { loadMs: number, threads: number }, results: object[], peakBytes: number | null }[]} measured.turns
 * @param {number} measured.nPrompt the prompt that both engines had; decoding after it counts as decoding at 0
 */
export function summarise({ turns, versions, nPrompt, bytesPerToken, bytesByType, streamRate, model, backend, threads, processor }) {
  const rows = [...new Set(turns.map(({ engine }) => engine))].flatMap((engine) =>
    rowsOf(engine, versions[engine], turns.filter((turn) => turn.engine === engine), nPrompt),
  );
  const ours = rows.find((row) => isDecodeAtZero(row) && row.engine === "tabmind");
  return {
    model,
    backend,
    threads,
    processor,
    bytes_by_type: bytesByType,
    rows,
    ratios: ratiosOf(rows),
    stream_rate_gb_s: round(streamRate),
    // The measured rate is that of one thread, and the GPU reads another memory.
    decode_bandwidth_fraction:
      ours && threads === 1 && backend === "cpu" ? round((bytesPerToken * ours.median) / (streamRate * 1e9)) : null,
  };
}

const isDecodeAtZero = ({ phase, n_context }) => phase === "decode" && n_context === 0;

function rowsOf(engine, version, turns, nPrompt) {
  const row = (phase, nPromptTokens, nContext, values, unit) => ({
    engine,
    version,
    threads: turns[0].opened.threads,
    phase,
    n_prompt: nPromptTokens,
    n_context: nContext,
    median: round(median(values)),
    min: round(Math.min(...values)),
    max: round(Math.max(...values)),
    unit,
  });
  const lengths = turns[0].results.map(({ promptTokens }) => promptTokens);
  const resultsAt = (index) => turns.map(({ results }) => results[index]);
  const rows = [row("load", 1, 0, turns.map(({ opened }) => opened.loadMs), "ms")];
  for (const [index, length] of lengths.entries()) {
    const speeds = resultsAt(index).map(({ cachedTokens, promptMs }) => ((length - cachedTokens) / promptMs) * 1000);
    rows.push(row("prefill", length, 0, speeds, "tok/s"));
  }
  for (const [index, length] of lengths.entries()) {
    // The first token comes out of the prompt's last step: n tokens are n - 1 steps.
    const speeds = resultsAt(index).map(({ tokens, decodeMs }) => ((tokens - 1) / decodeMs) * 1000);
    if (length >= nPrompt) rows.push(row("decode", length, length === nPrompt ? 0 : length, speeds, "tok/s"));
  }
  const peaks = turns.map(({ peakBytes }) => peakBytes).filter((bytes) => bytes !== null);
  if (peaks.length > 0) rows.push(row("peak memory", 0, 0, peaks.map((bytes) => bytes / 1e6), "MB"));
  return rows;
}

/** Ours to the peer's: times for loading and memory, where less is better, and speeds for the rest. */
function ratiosOf(rows) {
  const keyed = (engine) =>
    new Map(rows.filter((row) => (row.engine === "tabmind") === (engine === "tabmind")).map((row) => [keyOf(row), row.median]));
  const [ours, peers] = [keyed("tabmind"), keyed("peer")];
  return Object.fromEntries(
    [...ours].filter(([key]) => peers.has(key)).map(([key, value]) => [key, round(value / peers.get(key))]),
  );
}

function keyOf({ phase, n_prompt, n_context }) {
  if (phase === "prefill") return `prefill@${n_prompt}`;
  return phase === "decode" ? `decode@${n_context}` : phase;
}

/** Four digits are more than any of these measurements is worth. */
const round = (value) => Number(value.toPrecision(4));

/** The report as Markdown, for a terminal and for benches/README.md. */
export function table({ model, backend, threads, processor, rows, ratios, bytes_by_type, stream_rate_gb_s, decode_bandwidth_fraction }) {
  const types = Object.entries(bytes_by_type).map(([type, bytes]) => `${type} ${(bytes / 1e6).toFixed(1)} MB`);
  const lines = [
    `${model} (${types.join(", ")}), ${backend}, ${threads} thread${threads === 1 ? "" : "s"}, ${processor}`,
    "",
    "| engine | threads | what | median | min | max | |",
    "|---|---|---|---|---|---|---|",
    ...rows.map((row) => {
      const cells = [`${row.engine} ${row.version}`, row.threads, keyOf(row), row.median, row.min, row.max, row.unit];
      return `| ${cells.join(" | ")} |`;
    }),
  ];
  const compared = Object.entries(ratios).map(([key, ratio]) => `${key} ${ratio}`);
  if (compared.length > 0) lines.push("", `ours / peer: ${compared.join(", ")}`);
  lines.push("", `one thread reads ${stream_rate_gb_s} GB/s`);
  if (decode_bandwidth_fraction !== null) lines.push(`decoding uses ${(100 * decode_bandwidth_fraction).toFixed(0)} % of that`);
  return lines.join("\n");
}
