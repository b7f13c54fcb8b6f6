// Prelude: weights of at most 4 bits, behind weights_scales.wgsl. The host defines ZERO (what the stored quants are too large
// by).

// `[rows, blocks]`: byte j of a block holds weight j in its low and weight 16 + j in its high nibble.
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

// Weights of the block that was loaded last.
var<private> w: array<vec4<f32>, 8>;

fn bytes_of(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(0xfu)) - ZERO;
}

// Loads block `index`, counted over all rows.
fn load_block(index: u32) {
    let worth = block_scales(index);
    let q = quants[index];
    for (var j = 0u; j < 4u; j++) {
        w[j] = bytes_of(q[j]) * worth.x + worth.z;
        w[j + 4u] = bytes_of(q[j] >> 4u) * worth.y + worth.w;
    }
}

// Both halves of the quants of block `index`, four to a word, too large by ZERO each.
fn packed_block(index: u32) -> array<vec4<u32>, 2> {
    let q = quants[index];
    let mask = vec4<u32>(0x0f0f0f0fu);
    return array<vec4<u32>, 2>(q & mask, (q >> vec4<u32>(4u)) & mask);
}
