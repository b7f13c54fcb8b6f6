export { cache } from "./cache.js";
export { estimate, load } from "./load.js";
export { TabmindError, type TabmindErrorCode } from "./errors.js";
export type * from "./types/cache.js";
export type * from "./types/chat.js";
export type * from "./types/engine.js";
