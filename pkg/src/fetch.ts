// `tabmind/openai`: an engine as the `fetch` of OpenAI's client, and of whatever is built on it. Nothing leaves the page.
import { TabmindError } from "./errors.js";
import type { Engine } from "./types/engine.js";

/** What of `fetch` an OpenAI client uses. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/**
 * A `fetch` that answers OpenAI's requests with `engine`, whatever their host: `chat/completions`, `completions`,
 * `embeddings` and `models`.
 *
 * @example
 * const client = new OpenAI({ apiKey: "none", baseURL: "https://example.org/v1", fetch: createFetch(engine), dangerouslyAllowBrowser: true });
 */
export function createFetch(engine: Engine): Fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    try {
      return await route(engine, request);
    } catch (error) {
      if (!(error instanceof TabmindError)) throw error;
      return refusal(error);
    }
  };
}

async function route(engine: Engine, request: Request): Promise<Response> {
  const path = new URL(request.url).pathname.replace(/\/+$/u, "");
  const post = async (): Promise<never> => (await body(request)) as never;
  const options = { signal: request.signal };
  switch (`${request.method} ${path.replace(/^.*?\/(?=chat\/completions$|completions$|embeddings$|models(?:\/|$))/u, "")}`) {
    case "POST chat/completions":
      return answer(await engine.chat.completions.create(await post(), options));
    case "POST completions":
      return answer(await engine.completions.create(await post(), options));
    case "POST embeddings":
      return answer(await engine.embeddings.create(await post(), options));
    case "GET models":
      return Response.json({ object: "list", data: [model(engine)] });
    case `GET models/${encodeURIComponent(engine.info.name)}`:
      return Response.json(model(engine));
    default:
      throw new TabmindError("invalid_request", `${request.method} ${path} is not answered here`, {
        hint: "chat/completions, completions, embeddings and models are",
      });
  }
}

async function body(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch (cause) {
    throw new TabmindError("invalid_request", "the request's body is not JSON", { cause });
  }
}

function answer(result: object): Response {
  return Symbol.asyncIterator in result ? events(result as AsyncIterable<object>) : Response.json(result);
}

/** Server-sent events. A reader that leaves stops the engine. */
function events(chunks: AsyncIterable<object>): Response {
  const iterator = chunks[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const event = (data: string): Uint8Array => encoder.encode(`data: ${data}\n\n`);
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { value, done } = await iterator.next();
        controller.enqueue(event(done === true ? "[DONE]" : JSON.stringify(value)));
        if (done === true) controller.close();
      } catch (error) {
        if (!(error instanceof TabmindError)) return controller.error(error);
        controller.enqueue(event(JSON.stringify({ error: wire(error) })));
        controller.close();
      }
    },
    cancel: async () => void (await iterator.return?.()),
  });
  return new Response(stream, { headers: { "Content-Type": "text/event-stream" } });
}

function model({ info }: Engine): object {
  return { id: info.name, object: "model", created: 0, owned_by: "tabmind" };
}

/** Codes of what the caller can mend by asking for something else. */
const callersFault = new Set(["invalid_request", "unsupported_schema", "template_error", "context_overflow"]);

/** An error as OpenAI's servers answer it. Trying again does not help: the client is told not to. */
function refusal(error: TabmindError): Response {
  const status = callersFault.has(error.code) ? 400 : 500;
  return Response.json({ error: wire(error) }, { status, headers: { "x-should-retry": "false" } });
}

function wire({ code, message, hint }: TabmindError): object {
  return { message, type: callersFault.has(code) ? "invalid_request_error" : "server_error", code, param: null, hint };
}
