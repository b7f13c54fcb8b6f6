/*
 * The one place that knows where the package lies.
 *
 * An import map would let every module say `import … from "tabmind"`, but an import map must stand inside the page, and the page's policy allows no inline script. A hash in the policy would
 * allow it, and would break the page silently with the first changed space. So the public names are resolved here, once; `tabmind.d.ts` beside this file gives editors the package's own types.
 */
export * from "./pkg/index.js";
export { tasks } from "./pkg/desk.js";
