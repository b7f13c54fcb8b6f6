// y = epilogue(W · x + bias) for many items: a product of matrices; operands and twins: product.wgsl and tile.wgsl. How
// exactly, tile_full.wgsl or tile_half.wgsl says.
//
// A workgroup goes over the columns in blocks of 32: every invocation dequantises one row's block and transposes 4 x 4
// elements of x into workgroup memory, so that a weight is unpacked once for TOKENS items and an element of x read once for
// ROWS rows. A norm has been applied to x before.

// `[8, ROWS]`: four columns of a row each.
var<workgroup> tile_w: array<Elements, 8u * ROWS>;
// `[32, QUADS]`: a column of four items each.
var<workgroup> tile_x: array<Elements, 32u * QUADS>;

// Loads block `block` of row `row` and of the four items whose rows of x begin at `x`.
fn load_tiles(index: u32, row: u32, x: vec4<u32>, block: u32, blocks: u32) {
    load_block(row * blocks + block);
    for (var j = 0u; j < 8u; j++) {
        tile_w[j * ROWS + index] = Elements(w[j]);
    }
    let column = 4u * (index % 8u);
    let at = 32u * block + column;
    let turned = transpose(mat4x4<f32>(load4(x.x, at), load4(x.y, at), load4(x.z, at), load4(x.w, at)));
    for (var c = 0u; c < 4u; c++) {
        tile_x[(column + c) * QUADS + index / 8u] = Elements(SHARE * turned[c]);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let blocks = (params.columns + 31u) / 32u;
    // What is past the end is computed like the last one, and not written.
    let loaded_row = min(group.x * ROWS + index, params.rows - 1u);
    let loaded_item = group.y * TOKENS + 4u * (index / 8u);
    let last = item_count() - 1u;
    let x = vec4<u32>(
        x_of(min(loaded_item, last)),
        x_of(min(loaded_item + 1u, last)),
        x_of(min(loaded_item + 2u, last)),
        x_of(min(loaded_item + 3u, last)),
    );
    let own_row = index % APART;
    let quad = index / APART;
    var first: array<vec4<f32>, OWN_ROWS>;
    var sums: array<vec4<f32>, OWN_ROWS>;
    let parts = select(1u, 2u, params.second > 0u);
    for (var part = 0u; part < parts; part++) {
        for (var r = 0u; r < OWN_ROWS; r++) {
            first[r] = sums[r];
            sums[r] = vec4<f32>();
        }
        for (var block = 0u; block < blocks; block++) {
            load_tiles(index, params.first_row + loaded_row + part * params.second, x, block, blocks);
            workgroupBarrier();
            for (var j = 0u; j < 8u; j++) {
                let x0 = tile_x[4u * j * QUADS + quad];
                let x1 = tile_x[(4u * j + 1u) * QUADS + quad];
                let x2 = tile_x[(4u * j + 2u) * QUADS + quad];
                let x3 = tile_x[(4u * j + 3u) * QUADS + quad];
                for (var r = 0u; r < OWN_ROWS; r++) {
                    let v = tile_w[j * ROWS + own_row + APART * r];
                    sums[r] += vec4<f32>(v.x * x0 + v.y * x1 + v.z * x2 + v.w * x3);
                }
            }
            workgroupBarrier();
        }
        for (var r = 0u; r < OWN_ROWS; r++) {
            sums[r] /= SHARE;
        }
    }
    finish(group.x * ROWS + own_row, group.y * TOKENS + 4u * quad, &first, &sums);
}
