// Prelude of linear.wgsl and linear_tiled.wgsl: operands of y = epilogue(W · norm(x) + bias); twins: kernels/linear.rs,
// kernels/logits.rs and the projections of kernels/experts.rs.
//
// An item is a token, or one of a token's chosen experts.
// The host defines RAGGED (whether the last block of x is not whole) and EXPERTS (experts per token, or 0).

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

@group(1) @binding(0) var<uniform> params: Params;

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
