import assert from "node:assert/strict";
import { test } from "node:test";
import { meanConfidence, mistakes, score, table, tokenF1 } from "./eval-score.mjs";

const ticket = (form) => ({ text: "printer jams\nAna", form: { category: "printing", summary: "printer jams", requester: "Ana", due: null, ...form } });
const sure = (form, confidence = 1) => ({ form, confidence: Object.fromEntries(Object.keys(form).map((field) => [field, confidence])) });

test("the words that two texts share", () => {
  assert.equal(tokenF1("Printer jams", "printer jams!"), 1);
  assert.equal(tokenF1("printer", "the printer jams"), 0.5);
  assert.equal(tokenF1("a a a", "a b"), 0.4);
  assert.equal(tokenF1("", ""), 1);
  assert.equal(tokenF1(undefined, "x"), 0);
});

test("a right form scores full marks, each kind of mistake is seen", () => {
  const examples = [ticket(), ticket({ requester: null })];
  const right = score(examples, examples.map(({ form }) => sure(form)));
  assert.deepEqual([right.allFields, right.wholeForm, right.copied, right.summaryF1, right.errors], [1, 1, 1, 1, 0]);

  const answers = [sure({ ...examples[0].form, category: "email", summary: "jams" }, 0.4), sure({ ...examples[1].form, requester: "Ana" })];
  const wrong = score(examples, answers);
  assert.equal(wrong.fields.category, 0.5);
  assert.equal(wrong.wholeForm, 0);
  assert.equal(wrong.errors, 2);
  assert.deepEqual([wrong.nullPrecision, wrong.nullRecall], [1, 2 / 3]);
  assert.equal(wrong.errorsInLowestQuarter, 0.5, "one of two errors was made with confidence");
  assert.deepEqual(wrong.calibration[0], { from: 0, fields: 3, confidence: 0.4000000000000001, accuracy: 2 / 3 });
  assert.match(mistakes(examples, answers)[0], /^category: expected "printing", found "email" \(0\.40\)/u);
});

test("an answer that failed is wrong in every field, and counted", () => {
  const failed = score([ticket()], [{ error: "context_overflow" }]);
  assert.deepEqual([failed.failed, failed.allFields, failed.summaryF1], [1, 0, 0]);
});

test("sums may differ by less than half a cent", () => {
  const invoice = [{ text: "", form: { total: 12.3 } }];
  assert.equal(score(invoice, [sure({ total: 12.301 })]).allFields, 1);
  assert.equal(score(invoice, [sure({ total: 12.31 })]).allFields, 0);
});

test("the table has a row for each field and a column for each set", () => {
  const text = table({ one: score([ticket()], [sure(ticket().form)]), two: score([{ text: "", form: { total: 1 } }], [sure({ total: 2 })]) });
  assert.match(text, /^\| \| one \| two \|/u);
  assert.match(text, /\| total \| – \| 0\.0 % \|/u);
  assert.equal(meanConfidence([{ error: "x" }]), null);
});
