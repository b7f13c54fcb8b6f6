// The worker that runs the module `relaxed-threads`.
import * as glue from "./tabmind-relaxed-threads.js";
import { serve } from "./worker.js";

serve(glue, new URL("./tabmind-relaxed-threads_bg.wasm", import.meta.url).href);
