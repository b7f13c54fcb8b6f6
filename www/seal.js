/*
 * The seal switch: whether the engines of this page lose their way into the network as soon as they are loaded. On unless somebody turns it off.
 */
import { recall, remember } from "./storage.js";

const STORAGE_KEY = "seal";

/** @param {() => void} onChange */
export function createSeal(onChange) {
  let on = recall(STORAGE_KEY) !== false;
  /** @type {Map<string, import("./tabmind.js").Engine>} the engine that runs, by what it is for */
  const engines = new Map();

  return {
    isOn: () => on,
    /**
     * @param {string} who
     * @param {import("./tabmind.js").Engine} engine
     */
    watch(who, engine) {
      engines.set(who, engine);
      onChange();
    },
    /** @param {boolean} next */
    set(next) {
      on = next;
      remember(STORAGE_KEY, on);
      // What is sealed stays so; what is open can be sealed now.
      const sealing = on ? [...engines.values()].filter((engine) => engine.info.sealed === false).map((engine) => engine.seal().catch(() => {})) : [];
      void Promise.all(sealing).then(onChange);
      onChange();
    },
    /** What the switch does, and how things stand. */
    describe() {
      const standing = [...engines].map(([who, { info }]) => `${who}: ${describeSeal(info.sealed)}.`);
      return ["A model’s worker loses every way into the network once it is loaded, for good.", ...(on ? [] : ["It is off for models that are loaded from now on."]), ...standing].join(" ");
    },
  };
}

/** @param {import("./tabmind.js").EngineInfo["sealed"]} sealed */
export function describeSeal(sealed) {
  if (sealed === false) return "open";
  return sealed === "csp" ? "sealed, the engine can ask for nothing but scripts of this site" : "sealed, no function that asks a network is left to the engine";
}
