// The package as a stranger gets it: its tarball, installed into a fresh folder beside the apps and their tools.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What npm says where there is no registry to be reached. */
const noNetwork = /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED)\b/u;

/**
 * Copies `project`, a folder, below target/ and installs it, from its lockfile if it has one, and the tarball into it.
 *
 * @returns where it is, and why its tests must be skipped, or false
 */
export function install(project) {
  const folder = join(root, "target", project.replaceAll("/", "-"));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(join(root, "tests", project), folder, { recursive: true });
  cpSync(join(root, ".npmrc"), join(folder, ".npmrc"));
  const [{ filename }] = JSON.parse(npm(join(root, "pkg"), "pack", "--json", "--pack-destination", folder));
  const tarball = join(folder, filename);
  try {
    npm(folder, existsSync(join(folder, "package-lock.json")) ? "ci" : "install", "--prefer-offline");
    npm(folder, "install", "--no-save", "--prefer-offline", tarball);
  } catch (error) {
    if (!noNetwork.test(error.stderr)) throw error;
    return { folder, tarball, skip: "npm cannot reach its registry" };
  }
  return { folder, tarball, skip: false };
}

/** A module of an installation. */
export const importFrom = (...path) => import(pathToFileURL(join(...path)).href);

function npm(cwd, ...args) {
  return execFileSync("npm", args, { cwd, encoding: "utf8", stdio: "pipe", shell: process.platform === "win32" });
}
