// What each task is called, in the menu and in the panel.

export const TITLES = /** @type {Record<import("./protocol.js").TaskKind, string>} */ ({
  summarise: "Summarise",
  rewrite: "Rewrite",
  explain: "Explain",
  ticket: "Fill a ticket form",
  invoice: "Fill an invoice form",
});
