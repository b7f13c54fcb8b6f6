// A headless Firefox over WebDriver BiDi: as much of it as one page needs.
import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { WebSocket } from "ws";

const names = ["firefox-esr", "firefox"];

/** Nothing opens by itself, in the tab under test or beside it, and nothing is asked of the network. */
const preferences = {
  "app.normandy.enabled": false,
  "browser.aboutwelcome.enabled": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "browser.startup.page": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "termsofuse.bypassNotification": true,
};

/** How long one command may take: a slow machine's first page does, one that hangs is told by its name. */
const COMMAND_MS = 100_000;

/** The executable's path, or undefined. `FIREFOX` wins. */
export function findFirefox() {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return process.env.FIREFOX ?? names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => isExecutable(path));
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts Firefox with a fresh profile.
 *
 * @returns {Promise<{ evaluate(url: string, expression: string): Promise<unknown>, close(): Promise<void> }>}
 * `evaluate` opens the URL and answers what the expression's promise resolves to: a string, number or boolean.
 */
export async function launchFirefox() {
  const profile = mkdtempSync(join(tmpdir(), "tabmind-firefox-"));
  const lines = Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
  writeFileSync(join(profile, "user.js"), lines.join(""));
  const firefox = spawn(findFirefox(), ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"], { stdio: ["ignore", "ignore", "pipe"] });
  const gone = new Promise((resolve) => firefox.once("exit", resolve));
  const close = async () => {
    firefox.kill();
    await gone;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const send = await connect(await listeningAt(firefox.stderr));
    await send("session.new", { capabilities: {} });
    const evaluate = async (url, expression) => {
      // A tab of its own: the first one may still be on its way to a page of Firefox's own, which ends a navigation.
      const { context } = await send("browsingContext.create", { type: "tab" });
      try {
        await send("browsingContext.navigate", { context, url, wait: "complete" });
        const { result, exceptionDetails } = await send("script.evaluate", { expression, target: { context }, awaitPromise: true });
        if (exceptionDetails) throw new Error(exceptionDetails.text);
        return result.value;
      } finally {
        await send("browsingContext.close", { context });
      }
    };
    return { evaluate, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The address that Firefox prints when it is ready. */
function listeningAt(output) {
  return new Promise((resolve, reject) => {
    let text = "";
    output.setEncoding("utf8");
    output.on("data", (more) => {
      text += more;
      const [, address] = /BiDi listening on (ws:\S+)/u.exec(text) ?? [];
      if (address) resolve(address);
    });
    output.once("end", () => reject(new Error(`Firefox ended before it listened: ${text}`)));
  });
}

/** A function that sends one command and answers its result. */
async function connect(address) {
  const socket = new WebSocket(`${address}/session`);
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  const waiting = new Map();
  socket.on("message", (data) => {
    const { id, result, error, message } = JSON.parse(data);
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) reject?.(new Error(`${error}: ${message}`));
    else resolve?.(result);
  });
  let lastId = 0;
  return (method, params) =>
    new Promise((resolve, reject) => {
      lastId += 1;
      const clock = setTimeout(() => reject(new Error(`${method} has no answer after ${COMMAND_MS} ms`)), COMMAND_MS);
      const answered = (settle) => (value) => {
        clearTimeout(clock);
        settle(value);
      };
      waiting.set(lastId, { resolve: answered(resolve), reject: answered(reject) });
      socket.send(JSON.stringify({ id: lastId, method, params }));
    });
}
