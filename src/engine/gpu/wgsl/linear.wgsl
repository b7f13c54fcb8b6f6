// y = epilogue(W · norm(x) + bias); twins: kernels/linear.rs, kernels/logits.rs and the projections of kernels/experts.rs.
//
// A workgroup computes ROWS rows for TOKENS items; LANES invocations share a row and take every LANES-th block of 32
// columns each. An item is a token, or one of a token's chosen experts.
// The host defines TOKENS, RAGGED (whether the last block of x is not whole) and EXPERTS (experts per token, or 0).
//
// With a folded RMS norm, y = rsqrt(mean(x²) + eps) · Σ w·g·x: the factor is applied behind the sum, and x is read once.

struct Params {
    // x, `[items, columns]`, in `acts`.
    x: u32,
    x_stride: u32,
    columns: u32,
    // y, `[items, rows]`, in `acts`.
    y: u32,
    y_stride: u32,
    // Rows to compute, and the first of them among those that are bound.
    rows: u32,
    first_row: u32,
    // Gate: distance of the second matrix's rows; 0 if there is but one.
    second: u32,
    // `[rows]` in `vectors`, or NONE. The second matrix's biases lie `second_bias` further on.
    bias: u32,
    second_bias: u32,
    // Folded norm: 1 or 0; its weight, `[columns]` in `vectors`, or NONE.
    norm: u32,
    norm_weight: u32,
    eps: f32,
    epilogue: u32,
    activation: u32,
    scale: f32,
    softcap: f32,
    // `[items, rows]` in `acts`, for MULTIPLY.
    by: u32,
    by_stride: u32,
    // Items are the tokens whose logits are wanted.
    wanted: u32,
    // Experts: the choice, `[tokens, 2 · EXPERTS]` in `acts`; whether x has a row per item or per token;
    // and which experts' rows are bound.
    routes: u32,
    x_per_item: u32,
    first_expert: u32,
    experts: u32,
}

const STORE: u32 = 0u;
const ADD: u32 = 1u;
const ACTIVATE: u32 = 2u;
const GATE: u32 = 3u;
const MULTIPLY: u32 = 4u;
// y = y · r: the second half of a gate whose matrices have different formats.
const TIMES: u32 = 5u;
// y = cap(scale · r)
const LOGITS: u32 = 6u;

const ROWS: u32 = 8u;
const LANES: u32 = 8u;

@group(1) @binding(0) var<uniform> params: Params;

var<workgroup> partial: array<f32, ROWS * LANES * TOKENS>;
var<workgroup> squares: array<f32, ROWS * LANES>;

// Elements `column .. column + 4` of the row of x that begins at `x`.
fn load4(x: u32, column: u32) -> vec4<f32> {
    let i = x + column;
    if RAGGED {
        var v = vec4<f32>();
        for (var c = 0u; c < 4u; c++) {
            if column + c < params.columns {
                v[c] = acts[i + c];
            }
        }
        return v;
    }
    return vec4<f32>(acts[i], acts[i + 1u], acts[i + 2u], acts[i + 3u]);
}

fn gain4(column: u32) -> vec4<f32> {
    if params.norm_weight == NONE {
        return vec4<f32>(1.0);
    }
    let i = params.norm_weight + column;
    return vec4<f32>(vectors[i], vectors[i + 1u], vectors[i + 2u], vectors[i + 3u]);
}

fn item_count() -> u32 {
    if EXPERTS > 0u {
        return run.tokens * EXPERTS;
    }
    return run.tokens - select(0u, run.first_logits, params.wanted == 1u);
}

// Where item `item`'s row of x begins.
fn x_of(item: u32) -> u32 {
    var row = item;
    if EXPERTS > 0u && params.x_per_item == 0u {
        row = item / max(EXPERTS, 1u);
    }
    if params.wanted == 1u {
        row += run.first_logits;
    }
    return params.x + row * params.x_stride;
}

// The expert of an item, counted from the first that is bound; `params.experts` or more if it is not among them.
fn expert_of(item: u32) -> u32 {
    let each = max(EXPERTS, 1u);
    return u32(acts[params.routes + item / each * 2u * each + item % each]) - params.first_expert;
}

fn epilogue(y: u32, by: u32, first: f32, second: f32) -> f32 {
    switch params.epilogue {
        case ADD: { return acts[y] + params.scale * first; }
        case ACTIVATE: { return activate(params.activation, first); }
        case GATE: { return activate(params.activation, first) * second; }
        case MULTIPLY: { return activate(params.activation, first) * acts[by]; }
        case TIMES: { return acts[y] * first; }
        case LOGITS: { return soft_cap(params.softcap, params.scale * first); }
        default: { return first; }
    }
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
