// A filled form: field by field, how sure the model is of each, and each to be copied or inserted.
import { el } from "../www/dom.js";
import { copyButton, insertButton } from "./results.js";

/** Below this, somebody should look. */
const SURE = 0.8;

/**
 * @param {import("../protocol.js").Entry} entry
 * @param {import("./results.js").Tools} tools
 */
export function formTable({ form, place }, tools) {
  const rows = Object.entries(form?.values ?? {}).map(([name, value]) => {
    const confidence = form?.confidence[name] ?? 0;
    const sure = `${Math.round(confidence * 100)} %`;
    const shown = value === null ? el("span", { class: "note" }, "not said") : String(value);
    const mark = el("span", { class: confidence < SURE ? "confidence unsure" : "confidence", title: "How sure the model is" }, confidence < SURE ? `${sure}, look at it` : sure);
    const buttons = value === null ? [] : [copyButton("Copy", String(value)), insertButton(String(value), place, tools)];
    return el("tr", {}, el("th", { scope: "row" }, name.replaceAll("_", " ")), el("td", {}, el("div", { class: "value" }, shown), el("div", { class: "row" }, mark, ...buttons)));
  });
  return el("table", { class: "form-table" }, el("tbody", {}, ...rows));
}
