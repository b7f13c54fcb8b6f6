// Prelude: weights of more than 4 bits, behind weights_scales.wgsl.

// `[rows, blocks, 2]`: signed bytes in order.
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

// Stored quants are the true ones.
const ZERO: f32 = 0.0;

// Weights of the block that was loaded last.
var<private> w: array<vec4<f32>, 8>;

fn bytes_of(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u));
}

// Loads block `index`, counted over all rows.
fn load_block(index: u32) {
    let worth = block_scales(index);
    for (var half = 0u; half < 2u; half++) {
        let q = quants[2u * index + half];
        for (var j = 0u; j < 4u; j++) {
            w[4u * half + j] = bytes_of(q[j]) * worth[half] + worth[2u + half];
        }
    }
}

// Both halves of the quants of block `index`, four to a word.
fn packed_block(index: u32) -> array<vec4<u32>, 2> {
    return array<vec4<u32>, 2>(quants[2u * index], quants[2u * index + 1u]);
}
