// Rounds many items' x to eight bits, in blocks of 32 columns with a step each, as on the CPU; for linear_tiled_packed.wgsl.
// Operands: product.wgsl. An invocation takes a block of an item.
// The host defines TOKENS, items of a tile, and QUAD, which is said there.

// `[tiles, blocks, quads, 4 · QUAD]`
@group(1) @binding(1) var<storage, read_write> rounded: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let blocks = (params.columns + 31u) / 32u;
    let block = id.x;
    let item = id.y;
    if block >= blocks {
        return;
    }
    let x = x_of(item);
    var v: array<vec4<f32>, 8>;
    for (var j = 0u; j < 8u; j++) {
        v[j] = load4(x, 32u * block + 4u * j);
    }
    let near = round_block(&v);
    let tile = item / TOKENS * blocks + block;
    let quad = (tile * TOKENS + item % TOKENS) / 4u * 4u * QUAD;
    let place = item % 4u;
    for (var j = 0u; j < 8u; j++) {
        rounded[quad + 8u * place + j] = near.words[j];
    }
    rounded[quad + 32u + place] = bitcast<u32>(near.step);
    let halves = near.step * near.halves;
    rounded[quad + 36u + place] = bitcast<u32>(halves.x);
    rounded[quad + 40u + place] = bitcast<u32>(halves.y);
}
