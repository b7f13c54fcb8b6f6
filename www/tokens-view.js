/*
 * Tokens: a text as the model sees it, piece by piece, and how likely it found each; and what it would have written in its place.
 */
import { byId, el } from "./dom.js";
import { createPlayground, textField } from "./playground.js";

const MOST_LIKELY = 5;

/** @param {import("./playground.js").Shared} shared */
export function createTokensView(shared) {
  const text = textField("tokens-text", "Text", "Once upon a time there was a little girl who lived in a house.", { rows: 3 });
  const tokens = el("div", { class: "tokens", id: "tokens-list", role: "group", "aria-label": "Tokens" });
  const details = el("div", { class: "token-details", role: "status" }, el("p", { class: "note" }, "Choose a token to see what else could have stood there."));
  const result = el("div", { id: "tokens-result" }, tokens, details);

  return createPlayground(byId("panel-tokens", HTMLElement), shared, {
    title: "Tokens",
    explain: "The stronger the colour, the likelier the model found the token where it stands, given all before it.",
    fields: [text.node],
    result,
    action: "Look inside",
    async run({ engine, signal, say }) {
      const { choices, usage } = await engine.completions.create({ prompt: text.box.value, max_tokens: 1, temperature: 0, echo: true, logprobs: MOST_LIKELY }, { signal });
      const { tokens: pieces, token_logprobs, top_logprobs } = choices[0]?.logprobs ?? { tokens: [], token_logprobs: [], top_logprobs: [] };
      tokens.replaceChildren(...pieces.map((piece, index) => token(piece, token_logprobs[index] ?? null, () => show(piece, top_logprobs[index] ?? {}))));
      say(`${pieces.length} tokens. The first has no probability, for nothing precedes it; the last is the model’s own.`);
      return usage;
    },
  });

  /**
   * @param {string} piece
   * @param {Record<string, number>} others
   */
  function show(piece, others) {
    const rows = Object.entries(others).sort(([, a], [, b]) => b - a);
    details.replaceChildren(
      el("p", { class: "note" }, `In place of “${visible(piece)}” the model would have chosen:`),
      el("ol", {}, ...rows.map(([other, logprob]) => el("li", {}, el("code", {}, visible(other)), ` ${percent(logprob)}`))),
    );
  }
}

/**
 * @param {string} piece
 * @param {number | null} logprob
 * @param {() => void} onChoose
 */
function token(piece, logprob, onChoose) {
  const said = logprob === null ? "no probability" : percent(logprob);
  const button = el("button", { type: "button", class: "token", title: said, "aria-label": `${visible(piece)}, ${said}`, onclick: onChoose }, visible(piece));
  button.style.setProperty("--likely", String(logprob === null ? 0 : Math.exp(logprob)));
  return button;
}

/** @param {number} logprob */
const percent = (logprob) => `${(Math.exp(logprob) * 100).toFixed(1)} %`;

/**
 * Spaces and line ends are part of tokens, and are shown.
 * @param {string} piece
 */
const visible = (piece) => piece.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥");
