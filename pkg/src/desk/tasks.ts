// What desk can be asked: two forms, each with the prompt that it was trained with and the schema of its answer.
// models/desk/desk/forms.py has the same prompts and field names; tests/browser/desk.test.mjs holds the two together.

/** A help-desk message as a form. `null` where the message does not say. */
export interface Ticket {
  category: "access" | "hardware" | "network" | "software" | "email" | "printing" | "security" | "other";
  priority: "low" | "normal" | "high" | "urgent";
  /** At most 80 characters. */
  summary: string;
  /** Who writes, as the message spells it. */
  requester: string | null;
  /** The identifier of the device that it is about. */
  asset: string | null;
  location: string | null;
  /** By when, in the message's words. */
  due: string | null;
}

/** An invoice or a receipt as a form. `null` where the text does not say. */
export interface Invoice {
  supplier: string;
  invoice_number: string;
  /** ISO 8601, as `due_date`. */
  date: string;
  due_date: string | null;
  /** ISO 4217. */
  currency: string;
  net: number | null;
  tax: number | null;
  total: number;
}

/** A JSON Schema of one form. */
export interface FormSchema {
  type: "object";
  properties: Record<string, Record<string, unknown>>;
  required: string[];
  additionalProperties: false;
}

const text = (maxLength: number): Record<string, unknown> => ({ type: "string", maxLength });
const textOrNull = (maxLength: number): Record<string, unknown> => ({ anyOf: [text(maxLength), { type: "null" }] });
const day = { type: "string", pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" };
// Bounds, because the digits of a number have no other end.
const amount = { type: "number", minimum: -999_999_999, maximum: 999_999_999 };
const amountOrNull = { anyOf: [amount, { type: "null" }] };

/** All fields are required and in this order, which is the one that the model writes. */
const form = (properties: Record<string, Record<string, unknown>>): FormSchema => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

/** What a task consists of before anything is asked. */
export interface TaskText {
  /** The system prompt. */
  system: string;
  /** The schema of the answer. */
  schema: FormSchema;
}

export const ticketText: TaskText = {
  system: "Fill in the ticket form.",
  schema: form({
    category: { enum: ["access", "hardware", "network", "software", "email", "printing", "security", "other"] },
    priority: { enum: ["low", "normal", "high", "urgent"] },
    summary: text(80),
    requester: textOrNull(80),
    asset: textOrNull(40),
    location: textOrNull(80),
    due: textOrNull(60),
  }),
};

export const invoiceText: TaskText = {
  system: "Fill in the invoice form.",
  schema: form({
    supplier: text(100),
    invoice_number: text(40),
    date: day,
    due_date: { anyOf: [day, { type: "null" }] },
    currency: { type: "string", pattern: "^[A-Z]{3}$" },
    net: amountOrNull,
    tax: amountOrNull,
    total: amount,
  }),
};
