/*
 * How many tokens were computed on this device, and what they would have cost elsewhere, at a price that the reader knows and this page does not.
 */
import { el } from "./dom.js";
import * as format from "./format.js";
import { recall, remember } from "./storage.js";

const STORAGE_KEY = "savings";

export function createSavings() {
  const kept = /** @type {{ tokens?: unknown, price?: unknown } | null} */ (recall(STORAGE_KEY));
  let tokens = typeof kept?.tokens === "number" ? kept.tokens : 0;
  const price = el("input", { id: "savings-price", type: "number", min: "0", step: "0.01", inputmode: "decimal", placeholder: "price" });
  price.value = typeof kept?.price === "string" ? kept.price : "";
  const count = el("strong", { class: "figure", id: "savings-tokens" });
  const cost = el("p", { id: "savings-cost", role: "status" });
  const card = el(
    "section",
    { class: "card", "aria-labelledby": "savings-title" },
    el("h2", { id: "savings-title" }, "Computed on this device"),
    el("p", {}, count, " tokens, read and written"),
    el("div", { class: "field" }, el("label", { for: "savings-price" }, "What a million tokens cost where you would buy them"), price),
    cost,
  );

  function show() {
    count.textContent = format.integer(tokens);
    const perMillion = price.valueAsNumber;
    cost.textContent = Number.isFinite(perMillion) && perMillion >= 0 ? `They would have cost ${((tokens / 1e6) * perMillion).toLocaleString("en", { maximumSignificantDigits: 3 })} there, and no request was made.` : "Type a price to see what they would have cost.";
    remember(STORAGE_KEY, { tokens, price: price.value });
  }

  price.addEventListener("input", show);
  show();
  return {
    card,
    /** @param {import("./tabmind.js").Usage} usage */
    add(usage) {
      tokens += usage.total_tokens - usage.prompt_tokens_details.cached_tokens;
      show();
    },
  };
}
