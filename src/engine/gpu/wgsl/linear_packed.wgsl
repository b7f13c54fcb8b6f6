// y = epilogue(W · norm(x) + bias) for one item and quantised weights, with x rounded to eight bits; operands and twins:
// product.wgsl. Blocks of 32 columns have a step each, as on the CPU.
//
// Every workgroup rounds x, into its own memory; then LANES invocations share OWN_ROWS rows and take every LANES-th block each.
// With a folded RMS norm g·x is rounded, and rsqrt(mean(x²) + eps) is applied behind the sum. The host defines OWN_ROWS, and
// BLOCKS, blocks in a row; lanes_*.wgsl adds up what the lanes have, reduce*.wgsl what the workgroup has.

const ROWS: u32 = 64u / LANES * OWN_ROWS;
const SUMS: u32 = OWN_ROWS;

// `[BLOCKS, 8]`, four each.
var<workgroup> rounded: array<u32, 8u * BLOCKS>;
// By block: what one is worth, and the sums of both halves.
var<workgroup> steps: array<f32, BLOCKS>;
var<workgroup> halves: array<vec2<f32>, BLOCKS>;

fn gain4(column: u32) -> vec4<f32> {
    if params.norm_weight == NONE {
        return vec4<f32>(1.0);
    }
    let i = params.norm_weight + column;
    return vec4<f32>(vectors[i], vectors[i + 1u], vectors[i + 2u], vectors[i + 3u]);
}

// Rounds every 64th block of the row of x that begins at `x`; gives the share of Σ x².
fn round_x(x: u32, index: u32) -> f32 {
    var square = 0.0;
    for (var block = index; block < BLOCKS; block += 64u) {
        var v: array<vec4<f32>, 8>;
        for (var j = 0u; j < 8u; j++) {
            let column = 32u * block + 4u * j;
            v[j] = load4(x, column);
            if params.norm == 1u {
                square += dot(v[j], v[j]);
                v[j] *= gain4(column);
            }
        }
        let near = round_block(&v);
        for (var j = 0u; j < 8u; j++) {
            rounded[8u * block + j] = near.words[j];
        }
        steps[block] = near.step;
        halves[block] = near.halves;
    }
    return square;
}

// Block `index`, counted over all rows, times block `block` of the rounded x.
fn packed_product(index: u32, block: u32) -> f32 {
    let q = packed_block(index);
    var low = 0;
    var high = 0;
    for (var j = 0u; j < 4u; j++) {
        low += dot4I8Packed(q[0][j], rounded[8u * block + j]);
        high += dot4I8Packed(q[1][j], rounded[8u * block + 4u + j]);
    }
    let sums = halves[block];
    let worth = block_scales(index);
    var product = worth.x * (f32(low) - ZERO * sums.x) + worth.y * (f32(high) - ZERO * sums.y);
    if HAS_MIN {
        product += worth.z * sums.x + worth.w * sums.y;
    }
    return steps[block] * product;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let mean = sum_of(round_x(x_of(group.y), index), index) / f32(params.columns);
    let lane = index % LANES;
    let first_row = group.x * ROWS + index / LANES * OWN_ROWS;
    var first: array<f32, SUMS>;
    var own: array<f32, SUMS>;
    let parts = select(1u, 2u, params.second > 0u);
    for (var part = 0u; part < parts; part++) {
        first = own;
        for (var r = 0u; r < OWN_ROWS; r++) {
            // What is past the end is computed like the last one, and not written.
            let row = params.first_row + part * params.second + min(first_row + r, params.rows - 1u);
            var share = 0.0;
            for (var block = lane; block < BLOCKS; block += LANES) {
                share += packed_product(row * BLOCKS + block, block);
            }
            own[r] = share;
        }
        _ = add_lanes(0.0, &own, index);
        for (var r = lane; r < OWN_ROWS; r += LANES) {
            if params.norm == 1u {
                own[r] *= inverseSqrt(mean + params.eps);
            }
            if params.bias != NONE && first_row + r < params.rows {
                own[r] += vectors[params.bias + first_row + r + part * params.second_bias];
            }
        }
    }
    if parts == 1u {
        first = own;
    }
    for (var r = lane; r < OWN_ROWS; r += LANES) {
        let row = first_row + r;
        if row < params.rows {
            let y = params.y + group.y * params.y_stride + row;
            acts[y] = epilogue(y, params.by + group.y * params.by_stride + row, first[r], own[r]);
        }
    }
}
