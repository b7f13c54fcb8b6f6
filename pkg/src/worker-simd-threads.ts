// The worker that runs the module `simd-threads`.
import * as glue from "./tabmind-simd-threads.js";
import { serve } from "./worker.js";

serve(glue, import.meta.url, new URL("./tabmind-simd-threads_bg.wasm", import.meta.url).href);
