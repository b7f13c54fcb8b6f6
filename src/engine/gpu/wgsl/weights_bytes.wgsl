// Prelude: weights of more than 4 bits; twin of `Layout::Quantized` in kernels/formats.rs.
// The host defines GROUPS (scales per block of 32: 1 or 2) and HAS_MIN.

// `[rows, blocks, 2]`: signed bytes in order.
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;
// `[rows, blocks, GROUPS or 2 · GROUPS]`: scales, then mins.
@group(1) @binding(2) var<storage, read> scales: array<f32>;

// Weights of the block that was loaded last.
var<private> w: array<vec4<f32>, 8>;

fn bytes_of(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

// Loads block `index`, counted over all rows.
fn load_block(index: u32) {
    let at = index * select(GROUPS, 2u * GROUPS, HAS_MIN);
    for (var half = 0u; half < 2u; half++) {
        let group = half * (GROUPS - 1u);
        let scale = scales[at + group];
        var minimum = 0.0;
        if HAS_MIN {
            minimum = scales[at + GROUPS + group];
        }
        let q = quants[2u * index + half];
        for (var j = 0u; j < 4u; j++) {
            w[4u * half + j] = bytes_of(q[j]) * scale + minimum;
        }
    }
}
