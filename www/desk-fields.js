/*
 * The form itself: one control per field of a schema, each with how sure the model is. It can be corrected by hand, as a form that a model filled must.
 *
 * All fields stand there before anything is filled in, so that nothing moves.
 */
import { el } from "./dom.js";

/** Below this the field asks for a look. Above it about nine of ten values are right (models/desk/README.md). */
const SURE = 0.8;

/** @typedef {import("./desk-run.js").Form} Form */
/** @typedef {ReturnType<typeof createField>} Field */

/**
 * @param {HTMLElement} container
 * @param {(form: Form) => void} onEdit
 */
export function createDeskFields(container, onEdit) {
  /** @type {Field[]} */
  let fields = [];

  const read = () => /** @type {Form} */ (Object.fromEntries(fields.map((field) => [field.name, field.read()])));

  return {
    /** @param {import("./tabmind.js").FormSchema} schema */
    show(schema) {
      fields = Object.entries(schema.properties).map(([name, property]) => createField(name, property, () => onEdit(read())));
      container.replaceChildren(...fields.map((field) => field.node));
    },
    clear() {
      for (const field of fields) field.clear();
    },
    /** @param {ReturnType<typeof import("./partial-form.js").readPartialForm>} values what is written so far */
    write(values) {
      for (const field of fields) {
        const value = values.get(field.name);
        if (value) field.write(value.text);
      }
    },
    /**
     * @param {Record<string, number>} confidence
     * @returns {number} how many fields want a look
     */
    judge(confidence) {
      for (const field of fields) field.judge(confidence[field.name] ?? 0);
      return fields.filter(({ name }) => (confidence[name] ?? 0) < SURE).length;
    },
  };
}

/**
 * @param {string} name
 * @param {Record<string, unknown>} property
 * @param {() => void} onEdit
 */
function createField(name, property, onEdit) {
  const id = `desk-field-${name}`;
  const choices = Array.isArray(property.enum) ? property.enum.map(String) : null;
  const isNumber = JSON.stringify(property).includes('"number"');
  const control = choices
    ? el("select", { id, "aria-describedby": `${id}-sure` }, el("option", { value: "" }, ""), ...choices.map((choice) => el("option", {}, choice)))
    : el("input", { id, type: "text", autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-sure`, ...(isNumber ? { inputmode: "decimal" } : {}) });
  const fill = el("span", { class: "sure-fill" });
  const words = el("span", { class: "sure-words", id: `${id}-sure` });
  const label = el("label", { for: id }, title(name));
  const node = el("div", { class: "desk-field" }, el("div", { class: "desk-field-head" }, label, words), control, el("span", { class: "sure", "aria-hidden": "true" }, fill));

  /**
   * @param {string} state
   * @param {string} text
   * @param {number} share
   */
  function mark(state, text, share) {
    node.dataset.sure = state;
    words.textContent = text;
    fill.style.inlineSize = `${Math.round(share * 100)}%`;
  }

  /** @param {string | null} text */
  function write(text) {
    control.value = text ?? "";
    if (control instanceof HTMLInputElement) control.placeholder = text === null ? "not said" : "";
  }

  control.addEventListener("input", () => {
    mark("edited", "edited by you", 0);
    onEdit();
  });

  return {
    node,
    name,
    write,
    clear() {
      write("");
      mark("", "", 0);
    },
    /** @param {number} probability */
    judge(probability) {
      // Never 100 %: no model is that sure, whatever rounding says.
      const percent = Math.min(99, Math.round(probability * 100));
      if (probability >= SURE) mark("sure", `${percent} % sure`, probability);
      else mark("unsure", `check, ${percent} % sure`, probability);
    },
    read() {
      if (control.value === "") return null;
      return isNumber && Number.isFinite(Number(control.value)) ? Number(control.value) : control.value;
    },
  };
}

/**
 * "invoice_number" → "Invoice number"
 * @param {string} name
 */
function title(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
