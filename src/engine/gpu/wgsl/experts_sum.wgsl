// y = y + scale · Σ_e w_e · out_e over a token's chosen experts; twin: kernels/experts.rs.
// One workgroup per 64 columns and token. The host defines USED, experts per token.

struct Params {
    // `[tokens, USED, hidden]` in `acts`.
    out: u32,
    // `[tokens, 2 · USED]` in `acts`: experts, then weights.
    routes: u32,
    // `[tokens, hidden]` in `acts`.
    y: u32,
    y_stride: u32,
    hidden: u32,
    scale: f32,
}

@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = group.x * 64u + lane;
    if column >= params.hidden {
        return;
    }
    var sum = 0.0;
    for (var slot = 0u; slot < USED; slot++) {
        let item = group.y * USED + slot;
        let weight = acts[params.routes + group.y * 2u * USED + USED + slot];
        sum += weight * acts[params.out + item * params.hidden + column];
    }
    acts[params.y + group.y * params.y_stride + column] += params.scale * sum;
}
