// The browser that tests, `generate` and `bench` use: where it is, and the flags it gets. Nobody else spells these.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";

export const flags = [
  "--no-sandbox", // containers run as root, where the sandbox cannot start
  "--enable-unsafe-webgpu", // WebGPU on Linux ...
  "--use-webgpu-adapter=swiftshader", // ... without a graphics card
  "--disable-quic",
  "--no-first-run",
  // A test that counts requests must not see the browser's own.
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "microsoft-edge"];
const places = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  ...["PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"]
    .filter((name) => process.env[name])
    .map((name) => join(process.env[name], "Google/Chrome/Application/chrome.exe")),
];

/** The executable's path, or null. `CHROMIUM` wins; it is not checked, so that a wrong value is noticed. */
export function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  const candidates = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...candidates, ...places].find((path) => isExecutable(path)) ?? null;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const missing = "no Chromium found: install one, or set CHROMIUM to its path";

/** A headless Chromium through playwright-core; `args` are further flags. */
export async function launchChromium({ args = [], ...options } = {}) {
  const executablePath = findChromium();
  if (!executablePath) throw new Error(missing);
  const { chromium } = await import("playwright-core");
  return chromium.launch({ executablePath, headless: true, args: [...flags, ...args], ...options });
}

/**
 * A headless Chromium with an unpacked extension. Extensions live in profiles, so it has a fresh one at `profile`.
 * @param {{ folder: string, profile: string }} paths
 */
export async function launchWithExtension({ folder, profile }) {
  const executablePath = findChromium();
  if (!executablePath) throw new Error(missing);
  const { chromium } = await import("playwright-core");
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: [...flags, `--load-extension=${folder}`, `--disable-extensions-except=${folder}`],
    ignoreDefaultArgs: ["--disable-extensions"],
  });
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker"));
  return { context, worker, id: new URL(worker.url()).host };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href && process.argv[2] === "find") {
  console.log(findChromium() ?? "");
}
