// From the tokens of an answer to a probability for each field of the form that they spell.
import { invalid } from "../errors.js";

/** A token of an answer, as OpenAI's `logprobs.content` has it. */
export interface ScoredToken {
  token: string;
  logprob: number;
  /** The token's UTF-8, for a token may be part of a character. */
  bytes?: number[] | null;
}

/**
 * The probability of each value, which is the product of those of its tokens. A value's tokens are those from the colon
 * before it, where the model decides between `null` and a text, to the sign after it, where it decides that the value ends.
 *
 * @param json a flat JSON object: the text that the tokens spell
 */
export function confidences(json: string, tokens: ScoredToken[]): Record<string, number> {
  const encoder = new TextEncoder();
  const ends: number[] = [];
  let at = 0;
  for (const { token, bytes } of tokens) {
    at += bytes?.length ?? encoder.encode(token).length;
    ends.push(at);
  }
  const byteAt = (index: number): number => encoder.encode(json.slice(0, index)).length;
  const found: Record<string, number> = {};
  for (const { key, start, end } of valueRanges(json)) {
    const [from, to] = [byteAt(start), byteAt(end)];
    let logprob = 0;
    for (const [index, tokenEnd] of ends.entries()) {
      const tokenStart = ends[index - 1] ?? 0;
      if (tokenEnd > from && tokenStart < to) logprob += tokens[index]?.logprob ?? 0;
    }
    found[key] = Math.exp(logprob);
  }
  return found;
}

/** Where a value stands, from its colon to the sign after it, in UTF-16 units. */
interface ValueRange {
  key: string;
  start: number;
  end: number;
}

/** A string with its colon, or a scalar: what a flat object consists of. */
const member = /("(?:[^"\\]|\\.)*")\s*:\s*("(?:[^"\\]|\\.)*"|[^\s,{}[\]"]+)\s*/uy;

function valueRanges(json: string): ValueRange[] {
  const ranges: ValueRange[] = [];
  member.lastIndex = json.indexOf("{") + 1;
  for (;;) {
    while (/\s/u.test(json[member.lastIndex] ?? "")) member.lastIndex += 1;
    const match = member.exec(json);
    if (!match) throw invalid("completion", "the answer is not a flat JSON object");
    const key = match[1] ?? "";
    ranges.push({ key: JSON.parse(key) as string, start: match.index + key.length, end: member.lastIndex + 1 });
    const sign = json[member.lastIndex];
    if (sign === "}") return ranges;
    if (sign !== ",") throw invalid("completion", "the answer is not a flat JSON object");
    member.lastIndex += 1;
  }
}
