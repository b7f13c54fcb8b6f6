// Prelude of linear_tiled.wgsl: elements meet in workgroup memory, and are multiplied four by four, in half precision; more are
// added up in single precision. f16 ends at 65504, which activations of some models reach: a 64th of x leaves room, and what it
// loses at the other end, below 2^-18, counts for nothing.

alias Elements = vec4<f16>;

// What x is multiplied with before.
const SHARE: f32 = 0.015625;
