// Prelude: weights in 16 bits; twin of kernels/formats/f16.rs and bf16.rs.
// The host defines BRAIN: whether they are the upper halves of an f32 or IEEE half precision.

// `[rows, blocks, 4]`
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

// Weights of the block that was loaded last.
var<private> w: array<vec4<f32>, 8>;

fn pair_of(word: u32) -> vec2<f32> {
    if BRAIN {
        return bitcast<vec2<f32>>(vec2<u32>(word << 16u, word & 0xffff0000u));
    }
    return unpack2x16float(word);
}

// Loads block `index`, counted over all rows.
fn load_block(index: u32) {
    for (var j = 0u; j < 4u; j++) {
        let q = quants[4u * index + j];
        w[2u * j] = vec4<f32>(pair_of(q.x), pair_of(q.y));
        w[2u * j + 1u] = vec4<f32>(pair_of(q.z), pair_of(q.w));
    }
}
