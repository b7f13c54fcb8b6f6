import { confidences, type ScoredToken } from "./desk/confidence.js";
import { invoiceText, ticketText, type FormSchema, type Invoice, type TaskText, type Ticket } from "./desk/tasks.js";
import { TabmindError, invalid } from "./errors.js";
import { fields, show } from "./request.js";

export type { FormSchema, Invoice, Ticket } from "./desk/tasks.js";
export type { ScoredToken } from "./desk/confidence.js";

/** What `parse` reads: a chat completion that was asked for with `logprobs: true`, this package's or another's. */
export interface ScoredCompletion {
  choices: {
    message: { content: string | null };
    logprobs?: { content: ScoredToken[] | null } | null;
    finish_reason: string | null;
  }[];
}

/** A form, and how sure the model is of each field: the probability that it gave to the value, 0 to 1. */
export interface Parsed<Form> {
  form: Form;
  confidence: Record<keyof Form, number>;
}

/** The parameters of `chat.completions.create` for one text. */
export interface TaskRequest {
  messages: { role: "system" | "user"; content: string }[];
  response_format: { type: "json_schema"; json_schema: { name: string; strict: true; schema: Record<string, unknown> } };
  temperature: 0;
  logprobs: true;
}

/** One thing that desk was trained for. */
export interface Task<Form> {
  /** The system prompt. */
  readonly system: string;
  /** The JSON Schema of the answer. */
  readonly schema: FormSchema;
  /** What to ask for one text. */
  request(text: string): TaskRequest;
  /**
   * The form in an answer.
   *
   * @throws TabmindError `invalid_request` if the answer was cut off, has no log-probabilities, or is not the form
   */
  parse(completion: ScoredCompletion): Parsed<Form>;
}

/**
 * The tasks of `embedded:desk`, the model that ships with the package.
 *
 * @example
 * const engine = await load("embedded:desk");
 * const answer = await engine.chat.completions.create(tasks.ticket.request("The printer on floor 3 is jammed. Ana"));
 * const { form, confidence } = tasks.ticket.parse(answer);
 * if (confidence.category < 0.8) askSomebody(form);
 */
export const tasks: { readonly ticket: Task<Ticket>; readonly invoice: Task<Invoice> } = {
  ticket: task<Ticket>("ticket", ticketText),
  invoice: task<Invoice>("invoice", invoiceText),
};

function task<Form>(name: string, { system, schema }: TaskText): Task<Form> {
  return {
    system,
    schema,
    request: (text) => ({
      messages: [
        { role: "system", content: system },
        { role: "user", content: text },
      ],
      response_format: { type: "json_schema", json_schema: { name, strict: true, schema: { ...schema } } },
      temperature: 0,
      logprobs: true,
    }),
    parse: (completion) => parse<Form>(completion, schema),
  };
}

function parse<Form>(completion: ScoredCompletion, schema: FormSchema): Parsed<Form> {
  const choice = completion?.choices?.[0];
  if (!choice) throw invalid("completion", `expected a chat completion with a choice, found ${show(completion)}`);
  const { message, logprobs, finish_reason } = choice;
  if (finish_reason !== "stop") throw invalid("completion", `the answer did not end by itself: finish_reason is ${show(finish_reason)}`);
  if (!logprobs?.content) {
    throw new TabmindError("invalid_request", "completion: its tokens have no log-probabilities", { hint: "ask with `logprobs: true`" });
  }
  const json = message.content ?? "";
  const form = readForm(json, schema);
  return { form: form as Form, confidence: confidences(json, logprobs.content) as Parsed<Form>["confidence"] };
}

function readForm(json: string, schema: FormSchema): Record<string, unknown> {
  let form: unknown;
  try {
    form = JSON.parse(json);
  } catch (cause) {
    throw new TabmindError("invalid_request", `completion: expected JSON, found ${show(json)}`, { cause });
  }
  const values = fields("completion", form);
  const missing = schema.required.find((name) => values[name] === undefined);
  if (missing !== undefined) throw invalid("completion", `the form has no \`${missing}\``);
  return values;
}
