/*
 * A text and its continuation. Either the text is being written (a textarea), or it is being read and continued; "Edit the text" turns all of it back into the textarea.
 */
import { byId, copyFrom } from "./dom.js";
import { clearError, showError } from "./error-card.js";
import { Generation, describeEnding, describeStats } from "./generation.js";
import { followScroll } from "./scroll.js";

/** @typedef {import("./tabmind.js").Engine} Engine */

/**
 * @param {{ settings: ReturnType<typeof import("./settings.js").createSettings>, waysOut: Record<"choose" | "cpu" | "reload", () => void>, onBusy: () => void, onUse: (usage: import("./tabmind.js").Usage) => void }} wiring
 */
export function createCompleteView({ settings, waysOut, onBusy, onUse }) {
  const input = byId("complete-input", HTMLTextAreaElement);
  const story = byId("complete-story", HTMLElement);
  const [openingSpan, continuationSpan] = story.children;
  const scroll = byId("complete-scroll", HTMLElement);
  const errorSlot = byId("complete-error", HTMLElement);
  const run = byId("complete-run", HTMLButtonElement);
  const edit = byId("complete-edit", HTMLButtonElement);
  const copy = byId("complete-copy", HTMLButtonElement);
  const over = byId("complete-over", HTMLButtonElement);
  const stats = byId("complete-stats", HTMLElement);
  const status = byId("complete-status", HTMLElement);
  const follow = followScroll(scroll);
  /** What the user wrote, and what the model added: shown apart, sent as one. */
  let opening = "";
  let continuation = "";
  let reading = false;
  /** @type {Engine | null} */
  let engine = null;
  /** @type {Generation | null} */
  let running = null;

  function showState() {
    input.hidden = reading;
    story.hidden = !reading;
    run.textContent = running ? "Stop" : "Continue";
    run.classList.toggle("primary", !running);
    for (const button of [edit, copy, over]) button.disabled = running !== null || !reading;
    story.setAttribute("aria-busy", String(running !== null));
    onBusy();
  }

  function showText() {
    if (openingSpan) openingSpan.textContent = opening;
    if (continuationSpan) continuationSpan.textContent = continuation;
  }

  async function continueText() {
    const current = engine;
    const chosen = settings.read();
    if (!current || !chosen || running) return;
    if (!reading) [opening, continuation] = [input.value, ""];
    if (!opening) {
      input.focus();
      return;
    }
    clearError(errorSlot);
    reading = true;
    const before = continuation;
    const generation = new Generation((text, numbers) => {
      continuation = before + text;
      showText();
      stats.textContent = describeStats(numbers);
      follow.keep();
    });
    running = generation;
    status.textContent = "Writing";
    story.classList.add("streaming");
    showState();
    follow.toEnd();
    const outcome = await generation.run((signal) =>
      current.completions.create({ prompt: opening + before, ...chosen.sampling, stream: true, stream_options: { include_usage: true } }, { signal }),
    );

    running = null;
    if (outcome.usage) onUse(outcome.usage);
    story.classList.remove("streaming");
    if (outcome.ending === "failed") {
      showError(errorSlot, outcome.error, "The text could not be continued", { ...waysOut, retry: () => void continueText(), shorten: write, "reset-settings": settings.reset });
      status.textContent = "";
      if (!continuation) write();
      if (!outcome.text) stats.textContent = "";
    } else {
      const ending = outcome.ending === "length" ? "" : describeEnding(outcome.ending); // here the limit is no defect: "Continue" goes on from it
      status.textContent = `Text complete. ${stats.textContent}. ${ending}`;
    }
    showState();
    follow.keep();
  }

  /** Back to the textarea, with everything written so far. */
  function write() {
    input.value = opening + continuation;
    reading = false;
    showState();
    input.focus();
    input.setSelectionRange(input.value.length, input.value.length);
  }

  function startOver() {
    continuation = "";
    stats.textContent = "";
    clearError(errorSlot);
    write();
  }

  byId("complete-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) running.stop();
    else void continueText();
  });
  input.addEventListener("keydown", (event) => {
    // Enter alone must make a new line in a text, unlike in a chat.
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    event.preventDefault();
    void continueText();
  });
  edit.addEventListener("click", write);
  copy.addEventListener("click", () => void copyFrom(copy, opening + continuation));
  over.addEventListener("click", startOver);

  return {
    /** @param {Engine | null} next */
    setEngine(next) {
      running?.stop();
      engine = next;
      clearError(errorSlot);
      showState();
    },
    stop: () => running?.stop(),
    isBusy: () => running !== null,
    focus: () => (reading ? run : input).focus({ preventScroll: true }),
  };
}
