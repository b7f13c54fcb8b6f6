// `tabmind/react`: an engine and a conversation that live as long as the component that asks for them.
import { useCallback, useEffect, useRef, useState } from "react";
import { TabmindError } from "./errors.js";
import { load } from "./load.js";
import type { ChatMessage, ChatParams } from "./types/chat.js";
import type { Engine, LoadOptions, ModelSource, Progress } from "./types/engine.js";

/** What `useEngine` knows of the model. */
export interface EngineState {
  /** `"idle"` without a model. */
  status: "idle" | "loading" | "ready" | "error";
  /** The engine, once it is ready. */
  engine: Engine | null;
  /** How far the load has come. */
  progress: Progress | null;
  /** Why there is no engine. */
  error: Error | null;
  /** Loads again, after an error. */
  retry: () => void;
}

/** Options of `useEngine`; they are read when a load begins. Unmounting aborts it. */
export type EngineOptions = Omit<LoadOptions, "signal" | "onProgress">;

/**
 * Loads a model and closes the engine with the component, or when `model` changes. `null` loads nothing. A model that
 * is no text (a `File`, bytes, an array) must be the same object in each rendering.
 *
 * @example
 * const { engine, status, progress, error, retry } = useEngine("embedded:desk");
 */
export function useEngine(model: ModelSource | null, options: EngineOptions = {}): EngineState {
  const latest = useLatest(options);
  const [attempt, setAttempt] = useState(0);
  const [state, setState] = useState<Omit<EngineState, "retry"> & { of?: unknown }>(idle);
  const retry = useCallback(() => setAttempt((count) => count + 1), []);

  useEffect(() => {
    if (model === null) return;
    const start: typeof state = { ...idle, status: "loading", of: model };
    setState(start);
    const left = new AbortController();
    const { signal } = left;
    const onProgress = (progress: Progress): void => {
      if (!signal.aborted) setState({ ...start, progress });
    };
    const engine = load(model, { ...latest.current, signal, onProgress });
    engine.then(
      (ready) => !signal.aborted && setState({ ...start, status: "ready", engine: ready }),
      (error: Error) => !signal.aborted && setState({ ...start, status: "error", error }),
    );
    return () => {
      left.abort();
      setState(idle);
      // A load that was over before the abort has an engine, which nobody else closes.
      engine.then((ready) => ready.close()).catch(() => {});
    };
  }, [model, attempt, latest]);

  // Until the effect has seen a new model, what is known is about the old one.
  const { of, ...known } = state;
  if (model === null) return { ...idle, retry };
  return of === model ? { ...known, retry } : { ...idle, status: "loading", retry };
}

/** What `useChat` passes on with every message. */
export interface ChatOptions extends Omit<ChatParams, "messages" | "stream" | "stream_options" | "signal" | "n" | "tools" | "tool_choice" | "parallel_tool_calls"> {
  /** The system prompt. */
  system?: string;
}

/** A conversation. */
export interface Chat {
  /** What was said, without the system prompt; the last message grows while the model writes. */
  messages: ChatMessage[];
  /** `"error"` until the next message. */
  status: "idle" | "streaming" | "error";
  error: Error | null;
  /** Says something, and resolves when the answer is complete; what fails is in `error`. Another answer still being written ends. */
  send: (text: string) => Promise<void>;
  /** Ends the answer; what was written stays. */
  stop: () => void;
  /** Replaces what was said: `[]` begins anew. */
  setMessages: (messages: ChatMessage[]) => void;
}

/**
 * A conversation with an engine, streamed. It stops when the component is unmounted. For tools see `engine.runTools`.
 *
 * @example
 * const { messages, status, error, send, stop } = useChat(engine, { system: "Be brief.", max_tokens: 200 });
 */
export function useChat(engine: Engine | null, options: ChatOptions = {}): Chat {
  const latest = useLatest({ engine, options });
  const said = useRef<ChatMessage[]>([]);
  const writing = useRef<AbortController>(null);
  const [messages, show] = useState(said.current);
  const [{ status, error }, setState] = useState<Pick<Chat, "status" | "error">>(quiet);

  const stop = useCallback(() => writing.current?.abort(), []);
  useEffect(() => stop, [engine, stop]);

  const setMessages = useCallback(
    (next: ChatMessage[]) => {
      stop();
      show((said.current = next));
    },
    [stop],
  );

  const send = useCallback(
    async (text: string) => {
      stop();
      const own = (writing.current = new AbortController());
      const asked: ChatMessage[] = [...said.current, { role: "user", content: text }];
      show((said.current = asked));
      setState({ status: "streaming", error: null });
      try {
        for await (const answer of answers(latest.current, asked, own.signal)) {
          if (own.signal.aborted) break;
          show((said.current = [...asked, answer]));
        }
        if (writing.current === own) setState(quiet);
      } catch (failure) {
        if (writing.current === own) setState(own.signal.aborted ? quiet : { status: "error", error: failure as Error });
      }
    },
    [latest, stop],
  );
  return { messages, status, error, send, stop, setMessages };
}

const idle = { status: "idle", engine: null, progress: null, error: null } as const;
const quiet = { status: "idle", error: null } as const;

/** The answer, as far as it is written, again and again. */
async function* answers({ engine, options }: { engine: Engine | null; options: ChatOptions }, asked: ChatMessage[], signal: AbortSignal): AsyncGenerator<ChatMessage> {
  if (engine === null) throw new TabmindError("invalid_request", "there is no engine yet", { hint: "wait until `useEngine` says ready" });
  const { system, ...params } = options;
  const messages: ChatMessage[] = system === undefined ? asked : [{ role: "system", content: system }, ...asked];
  let content = "";
  let thoughts = "";
  for await (const { choices } of await engine.chat.completions.create({ ...params, messages, stream: true }, { signal })) {
    const { delta } = choices[0] ?? {};
    content += delta?.content ?? "";
    thoughts += delta?.reasoning_content ?? "";
    yield { role: "assistant", content, ...(thoughts === "" ? {} : { reasoning_content: thoughts }) };
  }
}

/** What was passed last, for effects that must not run again because of it. */
function useLatest<Value>(value: Value): { readonly current: Value } {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}
