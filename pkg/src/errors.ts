/** What went wrong; stable words to match on. The same words as in `src/error.rs`, where an abort has its own. */
export type TabmindErrorCode =
  | "not_gguf"
  | "truncated_file"
  | "corrupt_file"
  | "unsupported_architecture"
  | "unsupported_quantization"
  | "unsupported_version"
  | "hash_mismatch"
  | "network"
  | "http_status"
  | "quota_exceeded"
  | "out_of_memory"
  | "webgpu_unavailable"
  | "device_lost"
  | "self_test_failed"
  | "context_overflow"
  | "invalid_request"
  | "unsupported_schema"
  | "template_error"
  | "worker_died"
  | "numeric_error"
  | "sealed"
  | "closed";

/** Every failure of this package, except an abort, which is the standard `AbortError`. */
export class TabmindError extends Error {
  override readonly name = "TabmindError";
  readonly code: TabmindErrorCode;
  /** What to do about it. */
  readonly hint?: string;

  constructor(code: TabmindErrorCode, message: string, details: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    if (details.hint !== undefined) this.hint = details.hint;
  }
}

/** An error as it crosses the worker's border; `aborted` is the one code that is not a `TabmindError`'s. */
export interface WireError {
  code: TabmindErrorCode | "aborted";
  message: string;
  hint?: string;
}

/** What the caller sees. */
export function fromWire(error: WireError): Error {
  return error.code === "aborted" ? abortError() : new TabmindError(error.code, error.message, { hint: error.hint });
}

/** Always an `AbortError`, whatever reason the signal was given, so that callers have one thing to test for. */
export function abortError(): DOMException {
  return new DOMException("The call was aborted.", "AbortError");
}

/** An `invalid_request` that names the field. */
export function invalid(field: string, problem: string): TabmindError {
  return new TabmindError("invalid_request", `${field}: ${problem}`);
}
