/*
 * Model and settings: open beside the work on a wide window, two closed drop-downs above it on a phone.
 *
 * CSS cannot open a <details>, so the change of width is followed here.
 */
import { byId } from "./dom.js";

export function createSidePanels() {
  const panels = [byId("model-panel", HTMLDetailsElement), byId("settings-panel", HTMLDetailsElement)];
  const narrow = matchMedia("(max-width: 52rem)"); // the same width as in page.css

  function arrange() {
    for (const panel of panels) {
      // The same name makes the browser keep at most one of them open, which only drop-downs want.
      if (narrow.matches) panel.setAttribute("name", "side");
      else panel.removeAttribute("name");
      panel.open = !narrow.matches;
    }
  }

  narrow.addEventListener("change", arrange);
  document.addEventListener("click", (event) => {
    if (!narrow.matches || !(event.target instanceof Node)) return;
    for (const panel of panels) if (panel.open && !panel.contains(event.target)) panel.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && narrow.matches) for (const panel of panels) panel.open = false;
  });
  arrange();
}
