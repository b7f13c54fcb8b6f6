export { default } from "./border.js";
export * from "./border.js";
