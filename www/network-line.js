/*
 * What left this page, in one line at its foot. The list behind it is a room of its own.
 */
import { byId } from "./dom.js";
import * as format from "./format.js";

/**
 * @param {ReturnType<typeof import("./request-log.js").createRequestLog>} log
 * @param {() => void} onDetails
 */
export function createNetworkLine(log, onDetails) {
  const box = byId("network", HTMLElement);
  const line = byId("network-line", HTMLElement);

  function refresh() {
    const late = log.late().length;
    const text = late === 0 ? "Since it was loaded, nothing has left this page." : `Since it was loaded, this page has made ${format.plural(late, "request")}.`;
    // A status region is read aloud when it changes, so it is only touched when it does.
    if (line.textContent !== text) line.textContent = text;
    box.classList.toggle("loud", late > 0);
  }

  byId("network-details", HTMLButtonElement).addEventListener("click", onDetails);
  log.onChange(refresh);
  refresh();
}
