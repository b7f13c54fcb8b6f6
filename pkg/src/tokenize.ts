// Texts as token ids, with or without where each token is.
import type { Connection } from "./connection.js";
import { invalid } from "./errors.js";
import { fields, show, toJson } from "./request.js";
import type { Engine, Tokens } from "./types/engine.js";

/** `tokenize` over a worker. */
export function tokenizer(connection: Connection): Engine["tokenize"] {
  const tokenize = async (text: unknown, options: unknown = {}): Promise<number[] | Tokens> => {
    if (typeof text !== "string") throw invalid("text", `expected a string, found ${show(text)}`);
    const { offsets = false, ...rest } = fields("options", options);
    if (typeof offsets !== "boolean") throw invalid("offsets", `expected true or false, found ${show(offsets)}`);
    const args: [string, string] = [text, toJson("options", rest)];
    if (!offsets) return Array.from(await connection.call({ method: "tokenize", args }));
    const triples = await connection.call({ method: "tokenizeWithOffsets", args });
    const tokens: Tokens = { ids: [], offsets: [] };
    for (let at = 0; at < triples.length; at += 3) {
      const [id = 0, start = 0, end = 0] = triples.subarray(at, at + 3);
      tokens.ids.push(id);
      tokens.offsets.push([start, end]);
    }
    return tokens;
  };
  return tokenize as Engine["tokenize"];
}
