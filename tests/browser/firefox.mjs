// A headless Firefox over WebDriver BiDi: as much of it as one page needs.
import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { WebSocket } from "ws";

const names = ["firefox-esr", "firefox"];

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
    const { contexts } = await send("browsingContext.getTree", {});
    const { context } = contexts[0];
    const evaluate = async (url, expression) => {
      await send("browsingContext.navigate", { context, url, wait: "complete" });
      const { result, exceptionDetails } = await send("script.evaluate", { expression, target: { context }, awaitPromise: true });
      if (exceptionDetails) throw new Error(exceptionDetails.text);
      return result.value;
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
      waiting.set(lastId, { resolve, reject });
      socket.send(JSON.stringify({ id: lastId, method, params }));
    });
}
