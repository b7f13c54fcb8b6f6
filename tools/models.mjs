// Which models a server offers: GGUF files, by name, with the parts of a split model as one.
import { copyFile, mkdir, readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";

const deepest = 3; // `models/<name>/<file>.gguf` and one more; a home directory is not searched for ever

/**
 * @param {string[]} sources files and folders; those that do not exist offer nothing
 * @returns {Promise<{ name: string, url: string | string[], bytes: number, parts: { url: string, file: string }[] }[]>}
 *   `url` is what `load()` takes, relative to the page; of two models with one name the first is kept
 */
export async function listModels(sources) {
  const models = new Map();
  for (const source of sources) {
    for (const { file, name, bytes } of await findFiles(source)) {
      const part = { url: `models/${name}`, file };
      const model = name.replace(/-\d{5}-of-\d{5}(?=\.gguf$)/u, ""); // gguf-split's names, in the order of their numbers
      const known = models.get(model);
      if (!known) models.set(model, { name: model, bytes, parts: [part] });
      else if (model !== name && known.parts.every((other) => other.url !== part.url)) {
        known.bytes += bytes;
        known.parts.push(part);
      }
    }
  }
  return [...models.values()].map(({ name, bytes, parts }) => {
    const urls = parts.map((part) => encodeURI(part.url));
    return { name, url: urls.length === 1 ? urls[0] : urls, bytes, parts };
  });
}

/** The content of `models.json`. */
export const listing = (models) => JSON.stringify(models.map(({ name, url, bytes }) => ({ name, url, bytes })));

async function findFiles(source) {
  const found = await stat(source).catch(() => null);
  if (found?.isFile()) return [{ file: source, name: basename(source), bytes: found.size }];
  const files = found ? await walk(source, deepest) : [];
  const sized = files.map(async (file) => {
    const name = relative(source, file).split(sep).join("/");
    return { file, name, bytes: (await stat(file)).size };
  });
  return Promise.all(sized);
}

async function walk(folder, depth) {
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const nested = entries.map((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return depth > 1 && !entry.name.startsWith(".") ? walk(path, depth - 1) : [];
    return entry.name.endsWith(".gguf") ? [path] : [];
  });
  return (await Promise.all(nested)).flat();
}

/** `node tools/models.mjs FROM TO`: copies the models below FROM into TO/models and prints the list for TO/models.json. */
if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [from, to] = process.argv.slice(2);
  const models = await listModels([from]);
  for (const { url, file } of models.flatMap((model) => model.parts)) {
    await mkdir(dirname(join(to, url)), { recursive: true });
    await copyFile(file, join(to, url));
  }
  console.log(listing(models));
}
