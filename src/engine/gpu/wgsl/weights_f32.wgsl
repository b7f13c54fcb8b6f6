// Prelude: weights in 32 bits; twin of kernels/formats/f32.rs.

// `[rows, blocks, 8]`
@group(1) @binding(1) var<storage, read> quants: array<vec4<u32>>;

// Weights of the block that was loaded last.
var<private> w: array<vec4<f32>, 8>;

// Loads block `index`, counted over all rows.
fn load_block(index: u32) {
    for (var j = 0u; j < 8u; j++) {
        w[j] = bitcast<vec4<f32>>(quants[8u * index + j]);
    }
}
