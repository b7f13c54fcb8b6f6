// y = epilogue(W · x + bias) for many items and quantised weights, with x rounded to eight bits by round.wgsl; operands and
// twins: product.wgsl and tile.wgsl.
//
// A workgroup goes over the columns in blocks of 32: every invocation lays one row's block into workgroup memory as it is, four
// columns to a word, and a part of the items' blocks. Products of a block are added up as integers, then scaled. A norm has
// been applied to x before it was rounded.

// `[tiles, blocks, QUADS, QUAD]`. A quad has four items' blocks: eight vectors of columns, two to an item; what a step of each
// is worth; sums of their first and of their second halves. Its length is odd, so that neighbouring quads begin in different
// banks of workgroup memory.
@group(1) @binding(3) var<storage, read> rounded: array<vec4<u32>>;

// `[2, ROWS]`: sixteen columns of a row each, and what they are worth.
var<workgroup> tile_w: array<vec4<u32>, 2u * ROWS>;
var<workgroup> tile_scales: array<vec4<f32>, ROWS>;
// `[QUADS, QUAD]`
var<workgroup> tile_x: array<vec4<u32>, QUADS * QUAD>;

// Signed bytes of stored ones, which are too large by ZERO.
fn centred(q: vec4<u32>) -> vec4<u32> {
    if ZERO == 0.0 {
        return q;
    }
    // With their highest bits set no byte borrows from its neighbour.
    let high = vec4<u32>(0x80808080u);
    return ((q | high) - u32(ZERO) * 0x01010101u) ^ high;
}

// Loads block `index` of the weights, counted over all rows, and block `tile` of the items.
fn load_tiles(own: u32, index: u32, tile: u32) {
    let q = packed_block(index);
    tile_w[own] = centred(q[0]);
    tile_w[ROWS + own] = centred(q[1]);
    tile_scales[own] = block_scales(index);
    for (var i = own; i < QUADS * QUAD; i += 64u) {
        tile_x[i] = rounded[tile * QUADS * QUAD + i];
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let blocks = (params.columns + 31u) / 32u;
    // What is past the end is computed like the last one, and not written.
    let loaded_row = min(group.x * ROWS + index, params.rows - 1u);
    let own_row = index % APART;
    let quad = index / APART;
    let own = quad * QUAD;
    var first: array<vec4<f32>, OWN_ROWS>;
    var sums: array<vec4<f32>, OWN_ROWS>;
    let parts = select(1u, 2u, params.second > 0u);
    for (var part = 0u; part < parts; part++) {
        for (var r = 0u; r < OWN_ROWS; r++) {
            first[r] = sums[r];
            sums[r] = vec4<f32>();
        }
        let row = params.first_row + loaded_row + part * params.second;
        for (var block = 0u; block < blocks; block++) {
            load_tiles(index, row * blocks + block, group.y * blocks + block);
            workgroupBarrier();
            let low0 = tile_x[own];
            let high0 = tile_x[own + 1u];
            let low1 = tile_x[own + 2u];
            let high1 = tile_x[own + 3u];
            let low2 = tile_x[own + 4u];
            let high2 = tile_x[own + 5u];
            let low3 = tile_x[own + 6u];
            let high3 = tile_x[own + 7u];
            let steps = bitcast<vec4<f32>>(tile_x[own + 8u]);
            let low_sums = bitcast<vec4<f32>>(tile_x[own + 9u]);
            let high_sums = bitcast<vec4<f32>>(tile_x[own + 10u]);
            for (var r = 0u; r < OWN_ROWS; r++) {
                let at = own_row + APART * r;
                let q = tile_w[at];
                var low = vec4<i32>(dot16(q, low0), dot16(q, low1), dot16(q, low2), dot16(q, low3));
                let p = tile_w[ROWS + at];
                let high = vec4<i32>(dot16(p, high0), dot16(p, high1), dot16(p, high2), dot16(p, high3));
                let worth = tile_scales[at];
                if GROUPS == 1u {
                    low += high;
                }
                var product = worth.x * vec4<f32>(low);
                if GROUPS > 1u {
                    product += worth.y * vec4<f32>(high);
                }
                sums[r] += steps * product;
                if HAS_MIN {
                    sums[r] += worth.z * low_sums + worth.w * high_sums;
                }
            }
            workgroupBarrier();
        }
    }
    finish(group.x * ROWS + own_row, group.y * TOKENS + 4u * quad, &first, &sums);
}
