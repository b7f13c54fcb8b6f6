// From what the caller passed to the JSON that Rust validates. Only what JSON cannot carry, and what concerns the
// page alone (`stream`, `stream_options`, `signal`), is checked here.
import { invalid } from "./errors.js";

/** A request that is ready to be sent. */
export interface GenerateRequest {
  json: string;
  stream: boolean;
  includeUsage: boolean;
  tokenIds: boolean;
  signals: AbortSignal[];
}

/** Splits the parameters of a `create` call. */
export function readRequest(kind: "chat" | "completion", params: unknown, options: unknown): GenerateRequest {
  const { stream = null, stream_options: streamOptions = null, signal, ...rest } = fields("params", params);
  if (stream !== null && typeof stream !== "boolean") throw invalid("stream", `expected true or false, found ${show(stream)}`);
  return {
    json: toJson("", { kind, params: rest }),
    stream: stream === true,
    includeUsage: readIncludeUsage(streamOptions, stream === true),
    tokenIds: rest["return_token_ids"] === true,
    signals: [...readSignal("signal", signal), ...readCallOptions(options)],
  };
}

function readIncludeUsage(streamOptions: unknown, stream: boolean): boolean {
  if (streamOptions === null) return false;
  if (!stream) throw invalid("stream_options", "only allowed with stream: true");
  const { include_usage: includeUsage = false, ...unknown } = fields("stream_options", streamOptions);
  refuse("stream_options.", unknown);
  if (typeof includeUsage !== "boolean") {
    throw invalid("stream_options.include_usage", `expected true or false, found ${show(includeUsage)}`);
  }
  return includeUsage;
}

/** Signals of the second argument. */
export function readCallOptions(options: unknown): AbortSignal[] {
  const { signal, ...unknown } = fields("options", options ?? {});
  refuse("options.", unknown);
  return readSignal("options.signal", signal);
}

/** A signal, or none. */
export function readSignal(field: string, signal: unknown): AbortSignal[] {
  if (signal === undefined || signal === null) return [];
  if (!(signal instanceof AbortSignal)) throw invalid(field, `expected an AbortSignal, found ${show(signal)}`);
  return [signal];
}

/** The fields of a plain object. */
export function fields(name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(name, `expected an object, found ${show(value)}`);
  }
  return value as Record<string, unknown>;
}

function refuse(prefix: string, unknown: Record<string, unknown>): void {
  for (const name of Object.keys(unknown)) throw invalid(prefix + name, "unknown field");
}

/** JSON of `value`; what JSON would drop or bend is an error that names its place, below `name`. */
export function toJson(name: string, value: unknown): string {
  checkJson(name, value, []);
  return JSON.stringify(value);
}

function checkJson(path: string, value: unknown, parents: object[]): void {
  switch (typeof value) {
    case "string":
    case "boolean":
      return;
    case "number":
      if (!Number.isFinite(value)) throw invalid(path, `expected a finite number, found ${value}`);
      return;
    case "object":
      break;
    default:
      throw invalid(path, `${show(value)} cannot be sent to the engine`);
  }
  if (value === null) return;
  if (parents.includes(value)) throw invalid(path, "contains itself");
  if (Array.isArray(value)) {
    value.forEach((item, index) => checkJson(`${path}[${index}]`, item, [...parents, value]));
    return;
  }
  // By tag and not by prototype: an object of another frame is as plain as ours.
  if (Object.prototype.toString.call(value) !== "[object Object]") {
    throw invalid(path, `expected a plain object or array, found ${show(value)}`);
  }
  for (const [key, item] of Object.entries(value)) {
    // An optional field that is explicitly undefined is absent, as in JSON.
    if (item !== undefined) checkJson(path === "" || path === "params" ? key : `${path}.${key}`, item, [...parents, value]);
  }
}

/** A value, briefly, for a message. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === "function") return "a function";
  if (typeof value === "symbol") return "a symbol";
  if (typeof value === "bigint") return `the BigInt ${value}n`;
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return `an object (${value.constructor?.name ?? "no prototype"})`;
  return String(value);
}
