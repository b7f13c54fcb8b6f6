// The worker that runs the module `relaxed-threads`.
import * as glue from "./tabmind-relaxed-threads.js";
import { serve } from "./worker.js";

serve(glue, import.meta.url, new URL("./tabmind-relaxed-threads_bg.wasm", import.meta.url).href);
