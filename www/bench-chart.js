// Speeds as bars: one chart for reading and one for writing, since the two differ by a factor that would flatten the smaller.
import { el } from "./dom.js";
import * as format from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const [ROW, BAR] = [48, 12];

/**
 * @param {string} title
 * @param {{ label: string, value: number }[]} bars
 */
export function chart(title, bars) {
  const most = Math.max(...bars.map(({ value }) => value), 1);
  const words = bars.map(({ label, value }) => `${label}: ${format.tokenRate(value)}`).join("; ");
  const drawing = node("svg", { width: "100%", height: bars.length * ROW, class: "chart", role: "img", "aria-label": `${title}. ${words}` });
  for (const [index, { label, value }] of bars.entries()) {
    const y = index * ROW;
    drawing.append(
      node("text", { x: 0, y: y + 14, class: "chart-label" }, label),
      node("text", { x: "100%", y: y + 14, class: "chart-value", "text-anchor": "end" }, format.tokenRate(value)),
      node("rect", { x: 0, y: y + 22, width: "100%", height: BAR, rx: 3, class: "chart-ground" }),
      node("rect", { x: 0, y: y + 22, width: `${Math.max(0.5, (value / most) * 100)}%`, height: BAR, rx: 3, class: "chart-bar" }),
    );
  }
  return el("figure", {}, el("figcaption", {}, title), drawing);
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {...string} text
 */
function node(name, attributes, ...text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...text);
  return made;
}
