/*
 * The second room: picker → loading → work, and back. It holds the engine of the model that somebody chose, and the ways to use it.
 */
import { createChatView } from "./chat-view.js";
import { createCompleteView } from "./complete-view.js";
import { byId } from "./dom.js";
import { clearError, isAbort, showError } from "./error-card.js";
import { showDeviceFacts, showModelFacts } from "./facts.js";
import { createModelPicker } from "./model-picker.js";
import { createProgress } from "./progress.js";
import { createSettings } from "./settings.js";
import { createSidePanels } from "./side-panels.js";
import { createStructuredView } from "./structured-view.js";
import { createTabs } from "./tabs.js";
import { load } from "./tabmind.js";
import { createTokensView } from "./tokens-view.js";
import { createToolsView } from "./tools-view.js";

/** @typedef {import("./model-picker.js").Choice} Choice */

/**
 * @param {{ sealed: () => boolean, onReady: (name: string, engine: import("./tabmind.js").Engine) => void, onBusy: () => void, onUse: (usage: import("./tabmind.js").Usage) => void }} wiring
 */
export function createModelRoom({ sealed, onReady, onBusy, onUse }) {
  const start = byId("start", HTMLElement);
  const work = byId("work", HTMLElement);
  const startError = byId("start-error", HTMLElement);
  const back = byId("picker-back", HTMLButtonElement);

  /** @type {import("./tabmind.js").Engine | null} */
  let engine = null;
  /** what the page calls the model */
  let name = "";
  /** @type {Choice | null} the last model asked for: "try again" and "load again" mean this one */
  let lastChoice = null;
  /** @type {AbortController | null} */
  let loading = null;

  const settings = createSettings();
  const picker = createModelPicker({ onChoose: (choice) => void loadModel(choice), canChoose: () => loading === null });
  const progress = createProgress(() => loading?.abort());
  const tabs = createTabs(byId("ways", HTMLElement));

  const waysOut = { choose: showPicker, reload: loadAgain, cpu: loadOnCpu };
  const shared = { settings, waysOut, onBusy, onUse };
  /** One entry per tab. A further tab is a further view with these four methods, a button and a panel in index.html. */
  const views = {
    "tab-chat": createChatView({ ...shared, goToComplete: () => tabs.select("tab-complete") }),
    "tab-complete": createCompleteView(shared),
    "tab-structured": createStructuredView(shared),
    "tab-tools": createToolsView(shared),
    "tab-tokens": createTokensView(shared),
  };
  const allViews = Object.values(views);

  /** @param {"empty" | "loading" | "ready"} state */
  function showState(state) {
    document.body.dataset.state = state;
    start.hidden = state === "ready";
    work.hidden = state !== "ready";
    picker.show(state === "empty");
    back.hidden = engine === null;
    if (state !== "loading") progress.hide();
  }

  function showPicker() {
    for (const view of allViews) view.stop();
    if (engine) back.setAttribute("aria-label", `Back to ${name}`);
    showState("empty");
  }

  function backToWork() {
    clearError(startError);
    showState("ready");
  }

  /** Two models side by side could be more than the device holds, so the old one goes before the new one comes. */
  async function closeEngine() {
    const old = engine;
    engine = null;
    for (const view of allViews) view.setEngine(null, "");
    try {
      await old?.close();
    } catch (error) {
      // An engine whose worker has died cannot close, and there is nothing left to free.
      console.warn("closing the engine failed", error);
    }
  }

  /** @param {Choice} choice */
  async function loadModel(choice) {
    lastChoice = choice;
    const controller = new AbortController();
    loading = controller;
    clearError(startError);
    progress.start(choice.name);
    showState("loading");
    try {
      await closeEngine();
      const ready = await load(choice.source, { ...choice.options, seal: sealed(), signal: controller.signal, onProgress: progress.update });
      loading = null;
      useEngine(ready, choice.name);
    } catch (error) {
      loading = null;
      showState("empty");
      if (!isAbort(error)) showError(startError, error, `${choice.name} could not be loaded`, { retry: loadAgain, cpu: loadOnCpu, reload: loadAgain, choose: focusPicker });
    }
  }

  /**
   * Some files call themselves nothing, or after their architecture; what the user chose says more then.
   * @param {import("./tabmind.js").EngineInfo} info
   * @param {string} chosenName
   */
  function nameOf(info, chosenName) {
    return info.name && info.name !== info.architecture ? info.name : chosenName.replace(/\.gguf$/, "");
  }

  /**
   * @param {import("./tabmind.js").Engine} ready
   * @param {string} chosenName
   */
  function useEngine(ready, chosenName) {
    engine = ready;
    name = nameOf(ready.info, chosenName);
    showModelFacts(ready.info, name);
    onReady(name, ready);
    for (const view of allViews) view.setEngine(ready, name);
    // A model without a chat template can only continue a text, so it begins there.
    const tab = ready.info.hasChatTemplate === false ? "tab-complete" : "tab-chat";
    tabs.select(tab);
    showState("ready");
    views[tab].focus();
  }

  function loadAgain() {
    if (lastChoice) void loadModel(lastChoice);
    else showPicker();
  }

  function loadOnCpu() {
    picker.useCpu();
    if (lastChoice) lastChoice = { ...lastChoice, options: { ...lastChoice.options, backend: "cpu" } };
    loadAgain();
  }

  function focusPicker() {
    byId("model-url", HTMLInputElement).focus();
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const view of allViews) if (view.isBusy()) view.stop();
  });
  byId("model-change", HTMLButtonElement).addEventListener("click", showPicker);
  back.addEventListener("click", backToWork);
  createSidePanels();
  showDeviceFacts();
  showState("empty");

  return {
    /** The loaded model, for those who want to measure it. */
    chosen: () => (engine ? lastChoice : null),
  };
}
