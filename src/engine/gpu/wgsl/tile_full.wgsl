// Prelude of linear_tiled.wgsl: elements meet in workgroup memory, and are multiplied, in single precision.

alias Elements = vec4<f32>;

// What x is multiplied with before.
const SHARE: f32 = 1.0;
