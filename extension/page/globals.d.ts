// Readability.js, as a script, declares its class for the scripts behind it.
declare const Readability: typeof import("@mozilla/readability").Readability;
