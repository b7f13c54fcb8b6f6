// Asks whether a site may use the model. Closed without an answer it is "no" for a while, which the host notices by itself.
import { connectToHost } from "./host-line.js";
import { byId } from "./www/dom.js";

const origin = new URLSearchParams(location.search).get("origin") ?? "";
byId("origin", HTMLElement).textContent = origin;
const host = connectToHost(`prompt ${origin}`, { onPatch: () => {}, onLost: () => close() });

for (const [id, decision] of /** @type {const} */ ([["allow", "allowed"], ["block", "blocked"]])) {
  byId(id, HTMLButtonElement).addEventListener("click", async () => {
    await host.send({ type: "decide", origin, decision });
    close();
  });
}
