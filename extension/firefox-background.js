// Firefox's background is a page and can start workers: it is router and host in one. It has no offscreen documents.
import { openPrompt, startBackground } from "./background/start.js";
import { startHost } from "./host/start.js";

const host = startHost({ openPrompt });
startBackground({
  wakeHost: async () => {},
  tellHost: host.receive,
  openPanel: () => chrome.sidebarAction.open(),
});
