// Sites see `window.tabmind` only if the user has switched that on. The browser's own permission is the switch: the content
// scripts are registered as long as it is held, and there is no second place that could disagree.

const SCRIPTS = ["site/page.js", "site/bridge.js"];

/** @type {Promise<void>} */
let last = Promise.resolve();

/** Brings the content scripts in line with the permission. One run at a time: events come in pairs. */
export function syncSiteAccess() {
  last = last.then(sync, sync);
  return last;
}

async function sync() {
  const { origins = [] } = await chrome.permissions.getAll();
  const registered = await chrome.scripting.getRegisteredContentScripts();
  if (registered.length > 0) await chrome.scripting.unregisterContentScripts();
  if (origins.length === 0) return;
  const common = { matches: origins, runAt: /** @type {const} */ ("document_start") };
  await chrome.scripting.registerContentScripts(
    SCRIPTS.map((file) => ({ ...common, id: file, js: [file], world: file === "site/page.js" ? "MAIN" : "ISOLATED" })),
  );
}
