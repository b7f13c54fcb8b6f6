// Texts of any length, cut to what a model can read.

/** No vocabulary has tokens that are longer than this on average: what lies beyond need not even be counted. */
const MAX_CHARACTERS_PER_TOKEN = 12;
const MAX_PROBES = 8;

/**
 * The longest beginning of `text` that takes at most `budget` tokens, within a few percent, and which part of the text that is.
 * @param {string} text
 * @param {number} budget
 * @param {(text: string) => Promise<number>} count tokens of a text, with everything around it
 * @returns {Promise<{ text: string, share: number }>}
 */
export async function cutToBudget(text, budget, count) {
  let [low, high] = [0, Math.min(text.length, Math.max(0, budget) * MAX_CHARACTERS_PER_TOKEN)];
  let [length, tokens] = [high, await count(text.slice(0, high))];
  if (tokens <= budget) return { text: text.slice(0, high), share: share(high, text) };
  for (let probe = 0; probe < MAX_PROBES && high - low > high / 50; probe += 1) {
    if (tokens > budget) high = length;
    else low = length;
    // The first guess is by the ratio so far, later ones halve what is left.
    length = probe === 0 ? Math.floor((length * budget) / tokens) : Math.floor((low + high) / 2);
    tokens = await count(text.slice(0, length));
    if (tokens <= budget) low = Math.max(low, length);
  }
  const end = wordEnd(text, low);
  return { text: text.slice(0, end), share: share(end, text) };
}

/**
 * @param {number} length
 * @param {string} text
 */
const share = (length, text) => (text.length === 0 ? 1 : length / text.length);

/**
 * Not in the middle of a word, where there are words.
 * @param {string} text
 * @param {number} length
 */
function wordEnd(text, length) {
  const space = text.slice(0, length).search(/\s\S*$/u);
  return space > length * 0.8 ? space : length;
}

/**
 * What a person should know of a text that was cut.
 * @param {number} part
 * @returns {string | null}
 */
export function describeCut(part) {
  return part >= 1 ? null : `The model could read the first ${Math.max(1, Math.floor(part * 100))} % of the text: more does not fit.`;
}
