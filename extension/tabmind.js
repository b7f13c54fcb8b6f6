// The one place that knows where the package lies in the extension; `tabmind.d.ts` gives editors its types.
export * from "./pkg/index.js";
export { tasks } from "./pkg/desk.js";
