// From forms and what they should have been to the figures of `cargo xtask eval desk`: pure, so that it is tested
// without a browser. An answer is `{ form, confidence }` as the package's `parse` gives it, or `{ error }`.

/** Fields that are judged by the words that they share with the written one; all others must be equal. */
const GRADED = new Set(["summary"]);

const words = (text) => (text ?? "").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

/** The harmonic mean of precision and recall of the words of `found` in `expected`; words count as often as they occur. */
export function tokenF1(found, expected) {
  const left = words(expected);
  let shared = 0;
  for (const word of words(found)) {
    const at = left.indexOf(word);
    if (at < 0) continue;
    left.splice(at, 1);
    shared += 1;
  }
  const total = words(found).length + words(expected).length;
  return total === 0 ? 1 : (2 * shared) / total;
}

const equal = (found, expected) => (typeof expected === "number" && typeof found === "number" ? Math.abs(found - expected) < 0.005 : found === expected);

const share = (items, test) => (items.length === 0 ? null : items.filter(test).length / items.length);
const mean = (values) => (values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length);

/** One judgement for each field of each example that is compared exactly. */
function judge(examples, answers) {
  return examples.flatMap(({ form: expected }, example) =>
    Object.entries(expected)
      .filter(([field]) => !GRADED.has(field))
      .map(([field, value]) => {
        const found = answers[example].form?.[field];
        return { example, field, expected: value, found, right: equal(found, value), confidence: answers[example].confidence?.[field] ?? 0 };
      }),
  );
}

/** Lists of items by a key; Node 20 has no `Object.groupBy`. */
function groupBy(items, keyOf) {
  const groups = {};
  for (const item of items) (groups[keyOf(item)] ??= []).push(item);
  return groups;
}

/**
 * All figures of one set.
 *
 * @param {{ text: string, form: object }[]} examples
 * @param {{ form?: object, confidence?: object, error?: string }[]} answers in the same order
 */
export function score(examples, answers) {
  const judgements = judge(examples, answers);
  const fields = groupBy(judgements, ({ field }) => field);
  const byConfidence = judgements.toSorted((a, b) => a.confidence - b.confidence);
  const lowest = byConfidence.slice(0, Math.ceil(byConfidence.length / 4));
  const errors = judgements.filter(({ right }) => !right).length;
  const summaries = examples.flatMap(({ form }, index) => (form.summary === undefined ? [] : [tokenF1(answers[index].form?.summary, form.summary)]));
  return {
    examples: examples.length,
    failed: answers.filter(({ error }) => error).length,
    fields: Object.fromEntries(Object.entries(fields).map(([field, list]) => [field, share(list, ({ right }) => right)])),
    allFields: share(judgements, ({ right }) => right),
    wholeForm: share(Object.values(groupBy(judgements, ({ example }) => example)), (list) => list.every(({ right }) => right)),
    copied: share(judgements.filter(({ field, expected }) => COPIED.has(field) && expected !== null), ({ right }) => right),
    summaryF1: mean(summaries),
    nullPrecision: share(judgements.filter(({ found }) => found === null), ({ expected }) => expected === null),
    nullRecall: share(judgements.filter(({ expected }) => expected === null), ({ found }) => found === null),
    errors,
    errorsInLowestQuarter: errors === 0 ? null : lowest.filter(({ right }) => !right).length / errors,
    meanConfidence: meanConfidence(answers),
    calibration: calibration(judgements),
  };
}

/** Fields of a ticket that are spans of its text. */
const COPIED = new Set(["requester", "asset", "location", "due"]);

/** The mean over all fields of all answers. */
export function meanConfidence(answers) {
  return mean(answers.flatMap(({ confidence }) => Object.values(confidence ?? {})));
}

/** Where confidence is cut into bins. */
const EDGES = [0, 0.5, 0.7, 0.9, 0.97, 0.99, 1.0001];

function calibration(judgements) {
  return EDGES.slice(0, -1).map((from, index) => {
    const bin = judgements.filter(({ confidence }) => confidence >= from && confidence < EDGES[index + 1]);
    return { from, fields: bin.length, confidence: mean(bin.map(({ confidence }) => confidence)), accuracy: share(bin, ({ right }) => right) };
  });
}

/** What went wrong, one line a field. */
export function mistakes(examples, answers) {
  return judge(examples, answers)
    .filter(({ right }) => !right)
    .map(({ example, field, expected, found, confidence }) => {
      const [beginning] = examples[example].text.split("\n");
      return `${field}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)} (${confidence.toFixed(2)}) in ${JSON.stringify(beginning.slice(0, 60))}`;
    });
}

const percent = (value) => (value === null ? "–" : `${(100 * value).toFixed(1)} %`);

/** The figures of several sets, as a table in Markdown. */
export function table(scores) {
  const names = Object.keys(scores);
  const fields = [...new Set(names.flatMap((name) => Object.keys(scores[name].fields)))];
  const row = (title, value) => `| ${title} | ${names.map((name) => value(scores[name])).join(" | ")} |`;
  const rows = [
    row("", (set) => `${set.examples} forms`),
    ...fields.map((field) => row(field, (set) => percent(set.fields[field] ?? null))),
    row("**all fields**", (set) => percent(set.allFields)),
    row("**whole form** (without the summary)", (set) => percent(set.wholeForm)),
    row("copied fields that are there", (set) => percent(set.copied)),
    row("summary, token F1", (set) => percent(set.summaryF1)),
    row("null: precision / recall", (set) => `${percent(set.nullPrecision)} / ${percent(set.nullRecall)}`),
    row("errors in the least confident quarter", (set) => percent(set.errorsInLowestQuarter)),
    row("mean confidence", (set) => set.meanConfidence?.toFixed(3) ?? "–"),
    ...EDGES.slice(0, -1).map((from, bin) =>
      row(`accuracy at confidence ≥ ${from}`, (set) => `${percent(set.calibration[bin].accuracy)} of ${set.calibration[bin].fields}`),
    ),
  ];
  return [`| | ${names.join(" | ")} |`, `|---|${names.map(() => "---|").join("")}`, ...rows].join("\n");
}
