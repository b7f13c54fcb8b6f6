// y = epilogue(W · norm(x) + bias) for few items: a matrix times one vector or a handful; operands and twins: product.wgsl.
//
// A workgroup computes ROWS rows for TOKENS items; LANES invocations share a row and take every LANES-th block of 32
// columns each. The host defines TOKENS.
//
// With a folded RMS norm, y = rsqrt(mean(x²) + eps) · Σ w·g·x: the factor is applied behind the sum, and x is read once.

const ROWS: u32 = 8u;
const LANES: u32 = 8u;

var<workgroup> partial: array<f32, ROWS * LANES * TOKENS>;
var<workgroup> squares: array<f32, ROWS * LANES>;

fn gain4(column: u32) -> vec4<f32> {
    if params.norm_weight == NONE {
        return vec4<f32>(1.0);
    }
    let i = params.norm_weight + column;
    return vec4<f32>(vectors[i], vectors[i + 1u], vectors[i + 2u], vectors[i + 3u]);
}

// This invocation's share of `row` times x, for every item; and of Σ x².
fn accumulate(row: u32, lane: u32, x: array<u32, TOKENS>, shares: ptr<function, array<f32, TOKENS>>) -> f32 {
    let blocks = (params.columns + 31u) / 32u;
    // The caller's loop declares them anew, but not every compiler clears them anew: SwiftShader's keeps what was there.
    for (var t = 0u; t < TOKENS; t++) {
        (*shares)[t] = 0.0;
    }
    var square = 0.0;
    for (var block = lane; block < blocks; block += LANES) {
        load_block(row * blocks + block);
        for (var j = 0u; j < 8u; j++) {
            let column = 32u * block + 4u * j;
            var weights = w[j];
            if TOKENS == 1u && params.norm == 1u {
                weights *= gain4(column);
            }
            for (var t = 0u; t < TOKENS; t++) {
                let v = load4(x[t], column);
                (*shares)[t] += dot(weights, v);
                if TOKENS == 1u && params.norm == 1u {
                    square += dot(v, v);
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
    // What is past the end is computed like the last one, and not written.
    let row = min(group.x * ROWS + index / LANES, params.rows - 1u);
    var base = params.first_row;
    if EXPERTS > 0u {
        base += min(expert_of(min(group.y, count - 1u)), params.experts - 1u) * params.rows;
    }
    var x: array<u32, TOKENS>;
    for (var t = 0u; t < TOKENS; t++) {
        x[t] = x_of(min(group.y * TOKENS + t, count - 1u));
    }
    let out_row = group.x * ROWS + index % ROWS;
    let out_token = index / ROWS;
    let item = group.y * TOKENS + out_token;
    var results = array<f32, 2>(0.0, 0.0);
    let parts = select(1u, 2u, params.second > 0u);
    for (var part = 0u; part < parts; part++) {
        var shares: array<f32, TOKENS>;
        squares[index] = accumulate(base + row + part * params.second, lane, x, &shares);
        for (var t = 0u; t < TOKENS; t++) {
            partial[t * ROWS * LANES + index] = shares[t];
        }
        workgroupBarrier();
        if out_token < TOKENS {
            var sum = 0.0;
            var square = 0.0;
            for (var l = 0u; l < LANES; l++) {
                let at = index % ROWS * LANES + l;
                sum += partial[out_token * ROWS * LANES + at];
                square += squares[at];
            }
            if params.norm == 1u {
                sum *= inverseSqrt(square / f32(params.columns) + params.eps);
            }
            if params.bias != NONE && out_row < params.rows {
                sum += vectors[params.bias + out_row + part * params.second_bias];
            }
            results[part] = sum;
        }
        workgroupBarrier();
    }
    var is_bound = true;
    if EXPERTS > 0u {
        is_bound = expert_of(min(item, count - 1u)) < params.experts;
    }
    if out_token < TOKENS && item < count && out_row < params.rows && is_bound {
        let y = params.y + item * params.y_stride + out_row;
        let by = params.by + item * params.by_stride + out_row;
        acts[y] = epilogue(y, by, results[0], results[1]);
    }
}
