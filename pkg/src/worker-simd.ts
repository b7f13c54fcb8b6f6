// The worker that runs the module `simd`.
import * as glue from "./tabmind-simd.js";
import { serve } from "./worker.js";

serve(glue, import.meta.url, new URL("./tabmind-simd_bg.wasm", import.meta.url).href);
