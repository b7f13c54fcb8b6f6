// What `tabmind.js` re-exports, by the package's public names.
export * from "tabmind";
export { tasks } from "tabmind/desk";
