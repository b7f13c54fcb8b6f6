/*
 * The third room, "What left this page": how many requests were made since everything was loaded, which ones there were before, and the two switches that shut the door.
 */
import { byId, el } from "./dom.js";
import * as format from "./format.js";

/**
 * @param {{
 *   log: ReturnType<typeof import("./request-log.js").createRequestLog>,
 *   offline: ReturnType<typeof import("./offline.js").createOffline>,
 *   seal: ReturnType<typeof import("./seal.js").createSeal>,
 *   savings: ReturnType<typeof import("./savings.js").createSavings>,
 * }} parts
 */
export function createLeftRoom({ log, offline, seal, savings }) {
  const room = byId("room-left", HTMLElement);
  const count = el("strong", { class: "figure", id: "left-count" });
  const words = el("span", { id: "left-words" });
  const explain = el("p", { class: "note", id: "left-explain" });
  const rows = el("tbody", { id: "left-list" });
  const before = el("p", { class: "note", id: "left-before" });
  const sealing = createSwitch("left-seal", "Seal the engines", (on) => seal.set(on));
  const cutting = createSwitch("left-cut", "Cut this page off", (on) => void offline.setCut(on));

  room.append(
    el("div", { class: "sheet-head" }, el("p", { class: "headline" }, "What left this page"), el("p", { class: "lead" }, "Every request that it made, so that you need not take our word for it.")),
    el("section", { class: "card", "aria-labelledby": "left-title" }, el("h2", { id: "left-title" }, "Since everything was loaded"), el("p", { role: "status" }, count, words), explain),
    el("section", { class: "card", "aria-labelledby": "left-doors" }, el("h2", { id: "left-doors" }, "Shut the doors"), sealing.node, cutting.node),
    savings.card,
    el(
      "section",
      { class: "card sheet-wide", "aria-labelledby": "left-all" },
      el("div", { class: "card-head" }, el("h2", { id: "left-all" }, "Every request"), before),
      el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-labelledby": "left-all" }, el("table", {}, el("thead", {}, el("tr", {}, ...["When", "For", "Address", "Bytes"].map((title) => el("th", { scope: "col" }, title)))), rows)),
    ),
  );

  function refresh() {
    const entries = log.entries();
    const late = entries.filter((entry) => entry.late);
    const early = entries.length - late.length;
    const bytes = entries.filter((entry) => !entry.late).reduce((sum, entry) => sum + entry.bytes, 0);
    setText(count, format.integer(late.length));
    setText(words, ` ${late.length === 1 ? "request" : "requests"}, ${format.bytes(late.reduce((sum, entry) => sum + entry.bytes, 0))}`);
    explain.textContent = `From the engines’ own logs and the browser’s list of this page’s files. ${offline.state.kept ? "All that this page needs is kept in this browser: it opens without a network." : offline.state.problem}`;
    before.textContent = `${format.plural(early, "request")} before, ${format.bytes(bytes)} received`;
    sealing.show(seal.isOn(), true, seal.describe());
    cutting.show(offline.state.cut, offline.state.canCut, offline.state.canCut ? "The service worker of this page then answers from what it has kept and lets nothing through, not even this site. Reload, and see that it still opens." : offline.state.problem || "One moment: the page is being kept for use without a network.");
    if (!room.hidden) rows.replaceChildren(...entries.map(row));
  }

  log.onChange(refresh);
  offline.onChange(refresh);
  refresh();
  return { refresh };
}

/** @param {import("./request-log.js").Entry} entry */
function row({ who, url, bytes, at, late }) {
  const short = url.startsWith(location.origin) ? url.slice(location.origin.length) : url;
  return el("tr", late ? { class: "late" } : {}, el("td", {}, new Date(at).toLocaleTimeString("en", { hour12: false })), el("td", {}, who), el("td", { class: "address" }, short), el("td", { class: "number" }, format.bytes(bytes)));
}

/**
 * @param {string} id
 * @param {string} label
 * @param {(on: boolean) => void} onTurn
 */
function createSwitch(id, label, onTurn) {
  const box = el("input", { id, type: "checkbox", role: "switch", class: "switch", "aria-describedby": `${id}-note` });
  const note = el("p", { class: "note", id: `${id}-note` });
  box.addEventListener("change", () => onTurn(box.checked));
  return {
    node: el("div", { class: "switch-row" }, box, el("div", {}, el("label", { for: id }, label), note)),
    /**
     * @param {boolean} on
     * @param {boolean} enabled
     * @param {string} text
     */
    show(on, enabled, text) {
      box.checked = on;
      box.disabled = !enabled;
      setText(note, text);
    },
  };
}

/**
 * A status region is read aloud when it changes, so it is only touched when it does.
 * @param {HTMLElement} node
 * @param {string} text
 */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
