// What `tabmind.js` re-exports, by the package's public name.
export * from "tabmind";
