/*
 * The markdown that models write, as DOM nodes: paragraphs, headings, lists, fenced code, `code`, **bold**, *italic*.
 *
 * Deliberately absent: HTML, images and links. A model's text is not trusted, and a link or image is a way for it to make this page fetch something or to lead somebody astray; they stay plain text.
 * `parse` is pure, so that it is tested without a browser; `renderMarkdown` only turns its tree into nodes.
 */
import { el } from "./dom.js";

/**
 * @typedef {{ kind: "text" | "code", text: string } | { kind: "strong" | "em", children: Inline[] }} Inline
 * @typedef {{ source: string } & (
 *   | { kind: "paragraph" | "heading", children: Inline[] }
 *   | { kind: "code", language: string, text: string }
 *   | { kind: "list", ordered: boolean, start: number, items: Block[][] }
 * )} Block
 */

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)/;
const HEADING = /^ {0,3}#{1,6}\s+(.*?)\s*#*$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(\s+|$)/;
/** Lists in lists recurse; a text of nothing but "- - - -" must not be able to overflow the stack. */
const MAX_DEPTH = 6;

/**
 * @param {string} text
 * @param {number} [depth]
 * @returns {Block[]}
 */
export function parse(text, depth = 0) {
  const lines = text.replaceAll("\r\n", "\n").replaceAll("\t", "    ").split("\n");
  /** @type {Block[]} */
  const blocks = [];
  for (let at = 0; at < lines.length; ) {
    if (!lines[at]?.trim()) {
      at += 1;
      continue;
    }
    const end = blockEnd(lines, at, depth);
    blocks.push(block(lines.slice(at, end), depth));
    at = end;
  }
  return blocks;
}

/**
 * The line after the block that starts at `start`.
 * @param {string[]} lines
 * @param {number} start
 * @param {number} depth
 */
function blockEnd(lines, start, depth) {
  const first = lines[start] ?? "";
  let at = start + 1;
  const fence = FENCE.exec(first);
  if (fence) {
    // A fence that is still open runs to the end: while a text streams in, its last code block always is.
    const closing = new RegExp(`^ {0,3}${fence[1]}\\s*$`);
    while (at < lines.length && !closing.test(lines[at] ?? "")) at += 1;
    return Math.min(at + 1, lines.length);
  }
  if (HEADING.test(first)) return at;
  if (ITEM.test(first) && depth < MAX_DEPTH) return listEnd(lines, start);
  while (at < lines.length && lines[at]?.trim() && !startsBlock(lines[at] ?? "", depth)) at += 1;
  return at;
}

/**
 * @param {string} line
 * @param {number} depth
 */
function startsBlock(line, depth) {
  return FENCE.test(line) || HEADING.test(line) || (ITEM.test(line) && depth < MAX_DEPTH);
}

/**
 * A list goes on over further items and indented lines; a blank line ends it unless one of those follows. "- a" and "1. b" are two lists.
 * @param {string[]} lines
 * @param {number} start
 */
function listEnd(lines, start) {
  const first = lines[start] ?? "";
  const ordered = isOrdered(first);
  let end = start + 1;
  let afterBlank = false;
  for (let at = end; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    if (!line.trim()) {
      afterBlank = true;
      continue;
    }
    const isItem = isSibling(line, first);
    if (isItem && isOrdered(line) !== ordered) break;
    const belongs = isItem || /^ {2,}/.test(line) || (!afterBlank && !FENCE.test(line) && !HEADING.test(line));
    if (!belongs) break;
    afterBlank = false;
    end = at + 1;
  }
  return end;
}

/**
 * Whether a line is an item of the list that `first` begins, and not of a list inside it, which is indented by two or more.
 * @param {string} line
 * @param {string} first
 */
const isSibling = (line, first) => ITEM.test(line) && indentOf(line) < indentOf(first) + 2;

/** @param {string} line */
const indentOf = (line) => line.length - line.trimStart().length;

/** @param {string} line */
const isOrdered = (line) => /^\s*\d/.test(line);

/**
 * @param {string[]} lines
 * @param {number} depth
 * @returns {Block}
 */
function block(lines, depth) {
  const source = lines.join("\n");
  const first = lines[0] ?? "";
  const fence = FENCE.exec(first);
  if (fence) {
    const closed = lines.length > 1 && new RegExp(`^ {0,3}${fence[1]}\\s*$`).test(lines.at(-1) ?? "");
    return { kind: "code", source, language: fence[2] ?? "", text: lines.slice(1, closed ? -1 : undefined).join("\n") };
  }
  const heading = HEADING.exec(first);
  if (heading) return { kind: "heading", source, children: parseInline(heading[1] ?? "") };
  if (ITEM.test(first) && depth < MAX_DEPTH) return list(lines, source, depth);
  return { kind: "paragraph", source, children: parseInline(lines.map((line) => line.trim()).join("\n")) };
}

/**
 * @param {string[]} lines
 * @param {string} source
 * @param {number} depth
 * @returns {Block}
 */
function list(lines, source, depth) {
  /** @type {string[][]} */
  const items = [];
  let indent = 0;
  for (const line of lines) {
    const marker = isSibling(line, lines[0] ?? "") ? ITEM.exec(line) : null;
    if (marker) {
      indent = Math.min(marker[0].length, (marker[1] ?? "").length + (marker[2] ?? "").length + 1);
      items.push([line.slice(marker[0].length)]);
    } else {
      items.at(-1)?.push(line.slice(Math.min(indentOf(line), Math.max(indent, 2))));
    }
  }
  const ordered = isOrdered(lines[0] ?? "");
  return { kind: "list", source, ordered, start: ordered ? Number.parseInt(lines[0] ?? "1", 10) : 1, items: items.map((item) => parse(item.join("\n"), depth + 1)) };
}

// Groups: 2 code, 3 bold, 4 bold, 5 italic, 6 italic. Underscores count only at the borders of words, for snake_case is not emphasis.
const INLINE = /(`+)(?!`)(.+?)(?<!`)\1(?!`)|\*\*(?=[^\s*])(.+?)(?<=\S)\*\*(?!\*)|(?<!\w)__(?=\S)(.+?)(?<=\S)__(?!\w)|\*(?=[^\s*])([^*]*?[^\s*])\*(?!\*)|(?<![\w_])_(?=[^\s_])([^_]*?[^\s_])_(?![\w_])/gs;

/**
 * @param {string} text
 * @returns {Inline[]}
 */
export function parseInline(text) {
  /** @type {Inline[]} */
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > last) parts.push({ kind: "text", text: text.slice(last, match.index) });
    const [whole, , code, bold = match[4], , italic = match[6]] = match;
    if (code !== undefined) parts.push({ kind: "code", text: code.length > 2 ? code.replace(/^ (.+) $/s, "$1") : code });
    else if (bold !== undefined) parts.push({ kind: "strong", children: parseInline(bold) });
    else parts.push({ kind: "em", children: parseInline(italic ?? "") });
    last = match.index + whole.length;
  }
  if (last < text.length) parts.push({ kind: "text", text: text.slice(last) });
  return parts;
}

/** What stands in an element now, block by block, so that a growing text only redraws its last block and a selection above it survives.
 * @type {WeakMap<HTMLElement, string[]>} */
const drawn = new WeakMap();

/**
 * @param {HTMLElement} into
 * @param {string} text
 */
export function renderMarkdown(into, text) {
  const blocks = parse(text);
  const before = drawn.get(into) ?? [];
  let same = 0;
  while (same < blocks.length && blocks[same]?.source === before[same]) same += 1;
  while (into.childNodes.length > same) into.lastChild?.remove();
  into.append(...blocks.slice(same).map(blockNode));
  drawn.set(into, blocks.map((one) => one.source));
}

/**
 * @param {Block} one
 * @returns {HTMLElement}
 */
function blockNode(one) {
  switch (one.kind) {
    case "code":
      return el("pre", one.language ? { "data-language": one.language, tabindex: "0" } : { tabindex: "0" }, el("code", {}, one.text));
    case "list": {
      const items = one.items.map((blocks) => el("li", {}, ...blocks.flatMap(itemNodes)));
      return one.ordered ? el("ol", { start: String(one.start) }, ...items) : el("ul", {}, ...items);
    }
    case "heading":
      // Not a real heading: a model's text must not rewrite the outline of the page.
      return el("p", { class: "md-heading" }, ...one.children.map(inlineNode));
    case "paragraph":
      return el("p", {}, ...one.children.map(inlineNode));
  }
}

/**
 * A paragraph that opens a list item needs no box of its own.
 * @param {Block} one
 * @param {number} index
 * @returns {Node[]}
 */
function itemNodes(one, index) {
  return index === 0 && one.kind === "paragraph" ? one.children.map(inlineNode) : [blockNode(one)];
}

/**
 * @param {Inline} part
 * @returns {Node}
 */
function inlineNode(part) {
  switch (part.kind) {
    case "text":
      return document.createTextNode(part.text);
    case "code":
      return el("code", {}, part.text);
    default:
      return el(part.kind, {}, ...part.children.map(inlineNode));
  }
}
