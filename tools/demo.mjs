// `cargo xtask demo`: serves the demo page until it is stopped.
import { parseArgs } from "node:util";
import { serve } from "./serve.mjs";
import { demoFolders, knownModels } from "./site.mjs";

const { values } = parseArgs({ options: { port: { type: "string" }, models: { type: "string" } } });
const usualPort = 8484;

const start = (port) => serve({ folders: demoFolders, models: [...(values.models ? [values.models] : []), ...knownModels], port });

try {
  const server = await start(Number(values.port ?? usualPort)).catch((error) => {
    // The usual port is only a habit; one that was asked for is an order.
    if (error.code === "EADDRINUSE" && !values.port) return start(0);
    throw error;
  });
  console.log(`the demo is at ${server.url} (ctrl-c ends it)`);
} catch (error) {
  console.error(`error: cannot serve: ${error.message}`);
  process.exit(1);
}
