// A hundred schemas whose answers are short: ten shapes, each with ten sets of details. Between them they use every
// keyword that is enforced.
const object = (properties, more = {}) => ({ type: "object", properties, required: Object.keys(properties), additionalProperties: false, ...more });
const string = (maxLength, more = {}) => ({ type: "string", maxLength, ...more });
const list = (items, maxItems, more = {}) => ({ type: "array", items, maxItems, ...more });

const shapes = [
  // Flat objects of bounded numbers.
  (n) => object({ id: { type: "integer", minimum: -n, maximum: 10 ** (n % 5) }, share: { type: "number", minimum: 0, maximum: 1 + n / 4 }, ok: { type: "boolean" } }),
  // Strings by length and pattern.
  (n) => object({ name: string(3 + n, { minLength: 1 }), code: { type: "string", pattern: `^[A-Z]{${1 + (n % 3)}}-\\d{2,${2 + n}}$` } }),
  // Lists of choices.
  (n) => object({ tags: list({ enum: ["red", "green", "blue", "warm \"white\"", n] }, 1 + (n % 4), { minItems: n % 2 }), size: { const: n } }),
  // Tuples.
  (n) => ({ type: "array", prefixItems: [{ type: "boolean" }, string(n + 1), { type: "integer", multipleOf: n + 2, maximum: 10_000, minimum: -500 }], items: false, minItems: 1 + (n % 3) }),
  // Alternatives.
  (n) => ({ anyOf: [object({ kind: { const: "circle" }, radius: { type: "number", exclusiveMinimum: 0, maximum: n + 1 } }), object({ kind: { const: "name" }, text: string(n) }), { type: "null" }] }),
  (n) => ({ oneOf: [object({ a: string(4) }), object({ b: { type: "integer", exclusiveMaximum: n * 100, minimum: 0 } }), object({ a: { type: "null" }, b: { type: "null" } })] }),
  // Definitions, recursive ones of little depth too.
  (n) => ({ $ref: "#/$defs/node", $defs: { leaf: string(2 + n), node: { type: "object", properties: { value: { $ref: "#/$defs/leaf" }, next: n % 2 ? { anyOf: [{ type: "null" }, { $ref: "#/$defs/node" }] } : { $ref: "#/$defs/leaf" } }, required: ["value"], additionalProperties: false } } }),
  // Optional properties, and counts of them.
  (n) => ({ type: "object", properties: { one: { type: "boolean" }, two: string(n), three: { enum: [1, 2, 3] } }, required: n % 3 ? ["two"] : [], additionalProperties: false, ...(n % 3 ? {} : { minProperties: 1 }) }),
  // Conditions and negations.
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  (n) => ({ ...object({ mode: { enum: ["on", "off", "auto"] } }), properties: { mode: { enum: ["on", "off", "auto"] }, level: { type: "integer", minimum: 0, maximum: 9 + n } }, if: { properties: { mode: { const: "on" } } }, then: { required: ["level"] }, else: { not: { required: ["level"] } } }),
  // Names by pattern, allOf.
  (n) => ({ allOf: [object({ key: string(3, { not: { enum: ["", "no", "non"] } }), when: { type: "string", pattern: "^(19|20)\\d\\d-0[1-9]$", minLength: 7 } }), { properties: { key: { minLength: 1 + (n % 2) } } }], dependentRequired: { key: ["when"] } }),
];

export const schemas = shapes.flatMap((shape) => Array.from({ length: 10 }, (_, n) => shape(n)));
