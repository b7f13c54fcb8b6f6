// `node --test www/test`: what the page makes of the markdown that models write.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, parseInline } from "../markdown.js";

/** The tree as one line: kinds and texts, without the sources. */
const inline = (parts) => parts.map((part) => (part.kind === "text" ? part.text : part.kind === "code" ? `<c>${part.text}</c>` : `<${part.kind}>${inline(part.children)}</${part.kind}>`)).join("");
const show = (blocks) =>
  blocks
    .map((block) => {
      if (block.kind === "code") return `[code ${block.language}|${block.text}]`;
      if (block.kind === "list") return `[${block.ordered ? `ol ${block.start}` : "ul"}|${block.items.map(show).join("|")}]`;
      return `[${block.kind}|${inline(block.children)}]`;
    })
    .join("");

const INLINE_CASES = [
  ["plain", "plain"],
  ["a **b** c", "a <strong>b</strong> c"],
  ["*a* and _b_", "<em>a</em> and <em>b</em>"],
  ["**a *b* c**", "<strong>a <em>b</em> c</strong>"],
  ["`a*b*`", "<c>a*b*</c>"],
  ["`` a`b ``", "<c>a`b</c>"],
  ["snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"],
  ["__init__", "<strong>init</strong>"],
  ["not closed **yet", "not closed **yet"],
  ["not closed `yet", "not closed `yet"],
  ["<b>x</b> [y](https://z)", "<b>x</b> [y](https://z)"],
];
for (const [text, expected] of INLINE_CASES) test(`inline: ${text}`, () => assert.equal(inline(parseInline(text)), expected));

const BLOCK_CASES = [
  ["one\ntwo\n\nthree", "[paragraph|one\ntwo][paragraph|three]"],
  ["## Title ##\ntext", "[heading|Title][paragraph|text]"],
  ["```js\nlet a;\n\nlet b;\n```\nafter", "[code js|let a;\n\nlet b;][paragraph|after]"],
  ["```\nstill open\n", "[code |still open\n]"],
  ["```", "[code |]"],
  ["~~~\n```\n~~~", "[code |```]"],
  ["- a\n- b\n\n- c\n\nafter", "[ul|[paragraph|a]|[paragraph|b]|[paragraph|c]][paragraph|after]"],
  ["3. c\n4. d", "[ol 3|[paragraph|c]|[paragraph|d]]"],
  ["- a\n  - b\n  - c\n- d", "[ul|[paragraph|a][ul|[paragraph|b]|[paragraph|c]]|[paragraph|d]]"],
  ["1. a\n   ```\n   x\n   ```\n2. b", "[ol 1|[paragraph|a][code |x]|[paragraph|b]]"],
  ["- a\n1. b", "[ul|[paragraph|a]][ol 1|[paragraph|b]]"],
  ["text\n- item", "[paragraph|text][ul|[paragraph|item]]"],
  ["- ", "[ul|]"],
  ["a\r\nb", "[paragraph|a\nb]"],
  ["", ""],
];
for (const [text, expected] of BLOCK_CASES) test(`blocks: ${JSON.stringify(text)}`, () => assert.equal(show(parse(text)), expected));

test("nested to absurdity, it neither overflows the stack nor takes long", () => {
  const started = performance.now();
  for (const unit of ["- ", "> ", "**a", "_a", "`a", "* a *", "1. ", "  - x\n"]) parse(unit.repeat(4000));
  assert.ok(performance.now() - started < 2000);
});

test("a growing text keeps its finished blocks", () => {
  const text = "First.\n\n- a\n- b\n\n```js\nlet a;\n```\n\nLast **words**.";
  const whole = parse(text).map((block) => block.source);
  const half = parse(text.slice(0, 30)).map((block) => block.source);
  assert.deepEqual(half.slice(0, 2), whole.slice(0, 2));
});
