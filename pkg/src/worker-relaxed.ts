// The worker that runs the module `relaxed`.
import * as glue from "./tabmind-relaxed.js";
import { serve } from "./worker.js";

serve(glue, import.meta.url, new URL("./tabmind-relaxed_bg.wasm", import.meta.url).href);
