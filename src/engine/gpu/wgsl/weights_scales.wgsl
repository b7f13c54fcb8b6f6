// Prelude of weights_nibbles.wgsl and weights_bytes.wgsl: what their quants are worth; twin of `Layout::Quantized` in
// kernels/formats.rs. The host defines GROUPS (scales per block of 32: 1 or 2) and HAS_MIN.

// `[rows, blocks, GROUPS or 2 · GROUPS]`: scales, then mins.
@group(1) @binding(2) var<storage, read> scales: array<f32>;

// Of block `index`, counted over all rows: the scales of both halves, then their mins.
fn block_scales(index: u32) -> vec4<f32> {
    let at = index * select(GROUPS, 2u * GROUPS, HAS_MIN);
    var worth = vec4<f32>(scales[at], 0.0, 0.0, 0.0);
    worth.y = worth.x;
    if GROUPS > 1u {
        worth.y = scales[at + GROUPS - 1u];
    }
    if HAS_MIN {
        worth.z = scales[at + GROUPS];
        worth.w = worth.z;
        if GROUPS > 1u {
            worth.w = scales[at + 2u * GROUPS - 1u];
        }
    }
    return worth;
}
