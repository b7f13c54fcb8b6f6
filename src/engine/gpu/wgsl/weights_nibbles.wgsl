// Prelude: weights of at most 4 bits; twin of `Layout::Quantized` in kernels/formats.rs.
// The host defines GROUPS (scales per block of 32: 1 or 2), HAS_MIN and ZERO (what the stored quants are too large by).

// `[rows, blocks]`: byte j of a block holds weight j in its low and weight 16 + j in its high nibble.
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;
// `[rows, blocks, GROUPS or 2 · GROUPS]`: scales, then mins.
@group(1) @binding(2) var<storage, read> scales: array<f32>;

// Weights of the block that was loaded last.
var<private> w: array<vec4<f32>, 8>;

fn bytes_of(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xfu)) - ZERO;
}

// Loads block `index`, counted over all rows.
fn load_block(index: u32) {
    let at = index * select(GROUPS, 2u * GROUPS, HAS_MIN);
    let low_scale = scales[at];
    let high_scale = scales[at + GROUPS - 1u];
    var low_min = 0.0;
    var high_min = 0.0;
    if HAS_MIN {
        low_min = scales[at + GROUPS];
        high_min = scales[at + 2u * GROUPS - 1u];
    }
    let q = quants[index];
    for (var j = 0u; j < 4u; j++) {
        w[j] = bytes_of(q[j]) * low_scale + low_min;
        w[j + 4u] = bytes_of(q[j] >> 4u) * high_scale + high_min;
    }
}
