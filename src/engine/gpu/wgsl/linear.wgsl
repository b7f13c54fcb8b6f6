// y = epilogue(W · norm(x) + bias) for few items: a matrix times one vector or a handful; operands and twins: product.wgsl.
//
// A workgroup computes ROWS rows for TOKENS items; LANES invocations share OWN_ROWS of the rows and take every LANES-th block
// of 32 columns each, so that an element of x that was read meets OWN_ROWS weights. The host defines TOKENS and
// OWN_ROWS; lanes_*.wgsl adds up what the lanes have.
//
// With a folded RMS norm, y = rsqrt(mean(x²) + eps) · Σ w·g·x: the factor is applied behind the sum, and x is read once.

const ROWS: u32 = 64u / LANES * OWN_ROWS;
// Sums of an invocation: `[TOKENS, OWN_ROWS]`.
const SUMS: u32 = TOKENS * OWN_ROWS;

fn gain4(column: u32) -> vec4<f32> {
    if params.norm_weight == NONE {
        return vec4<f32>(1.0);
    }
    let i = params.norm_weight + column;
    return vec4<f32>(vectors[i], vectors[i + 1u], vectors[i + 2u], vectors[i + 3u]);
}

// This invocation's share of rows `first ..` times x, for every item; and of Σ x².
fn accumulate(first: u32, last: u32, lane: u32, x: array<u32, TOKENS>, shares: ptr<function, array<f32, SUMS>>) -> f32 {
    let blocks = (params.columns + 31u) / 32u;
    // The caller's loop declares them anew, but not every compiler clears them anew: SwiftShader's keeps what was there.
    for (var i = 0u; i < SUMS; i++) {
        (*shares)[i] = 0.0;
    }
    var square = 0.0;
    for (var block = lane; block < blocks; block += LANES) {
        if TOKENS == 1u {
            var v: array<vec4<f32>, 8>;
            for (var j = 0u; j < 8u; j++) {
                let column = 32u * block + 4u * j;
                v[j] = load4(x[0], column);
                if params.norm == 1u {
                    square += dot(v[j], v[j]);
                    v[j] *= gain4(column);
                }
            }
            for (var r = 0u; r < OWN_ROWS; r++) {
                load_block(min(first + r, last) * blocks + block);
                for (var j = 0u; j < 8u; j++) {
                    (*shares)[r] += dot(w[j], v[j]);
                }
            }
        } else {
            var own: array<vec4<f32>, 8u * OWN_ROWS>;
            for (var r = 0u; r < OWN_ROWS; r++) {
                load_block(min(first + r, last) * blocks + block);
                for (var j = 0u; j < 8u; j++) {
                    own[8u * r + j] = w[j];
                }
            }
            for (var j = 0u; j < 8u; j++) {
                for (var t = 0u; t < TOKENS; t++) {
                    let v = load4(x[t], 32u * block + 4u * j);
                    for (var r = 0u; r < OWN_ROWS; r++) {
                        (*shares)[t * OWN_ROWS + r] += dot(own[8u * r + j], v);
                    }
                }
            }
        }
    }
    return square;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) index: u32) {
    let lane = index % LANES;
    let count = item_count();
    let first_row = group.x * ROWS + index / LANES * OWN_ROWS;
    var base = params.first_row;
    var is_bound = true;
    if EXPERTS > 0u {
        let expert = expert_of(min(group.y, count - 1u));
        is_bound = expert < params.experts;
        base += min(expert, params.experts - 1u) * params.rows;
    }
    var x: array<u32, TOKENS>;
    for (var t = 0u; t < TOKENS; t++) {
        x[t] = x_of(min(group.y * TOKENS + t, count - 1u));
    }
    var first: array<f32, SUMS>;
    var sums: array<f32, SUMS>;
    let parts = select(1u, 2u, params.second > 0u);
    for (var part = 0u; part < parts; part++) {
        first = sums;
        // What is past the end is computed like the last row or item, and not written.
        let start = base + part * params.second;
        let square = accumulate(start + first_row, start + params.rows - 1u, lane, x, &sums);
        let mean = add_lanes(square, &sums, index) / f32(params.columns);
        for (var i = lane; i < SUMS; i += LANES) {
            if params.norm == 1u {
                sums[i] *= inverseSqrt(mean + params.eps);
            }
            let row = first_row + i % OWN_ROWS;
            if params.bias != NONE && row < params.rows {
                sums[i] += vectors[params.bias + row + part * params.second_bias];
            }
        }
    }
    if parts == 1u {
        first = sums;
    }
    for (var i = lane; i < SUMS; i += LANES) {
        let row = first_row + i % OWN_ROWS;
        let item = group.y * TOKENS + i / OWN_ROWS;
        if row < params.rows && item < count && is_bound {
            let y = params.y + item * params.y_stride + row;
            acts[y] = epilogue(y, params.by + item * params.by_stride + row, first[i], sums[i]);
        }
    }
}
