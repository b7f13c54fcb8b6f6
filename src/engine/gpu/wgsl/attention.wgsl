// y[t, h, :] = Σ_s softmax_s(cap(scale · q[t, h] · k[s, g])) · v[s, g, :]; twin: kernels/attention.rs.
// One workgroup per head and token goes over the visible positions in tiles of 64 with a running maximum
// (Dao et al., FlashAttention, 2022). The host defines MAX_HEAD and OWNED, value dimensions per invocation.

struct Params {
    // `[tokens, heads · key_dim]`, prepared, in `acts`.
    q: u32,
    q_stride: u32,
    // `[tokens, heads · value_dim]` in `acts`.
    y: u32,
    y_stride: u32,
    // `[tokens, heads · value_dim]` in `acts`, or NONE: y is multiplied by its sigmoid.
    gate: u32,
    gate_stride: u32,
    heads: u32,
    kv_heads: u32,
    key_dim: u32,
    value_dim: u32,
    scale: f32,
    // 0: none.
    softcap: f32,
    // Positions that a token sees at most, itself included; NONE: all.
    window: u32,
    // Factor of queries: 1 + factor · ln(1 + floor(position / length)).
    temperature_factor: f32,
    temperature_length: u32,
}

@group(1) @binding(0) var<uniform> params: Params;
// `[context, kv_heads · key_dim]`
@group(2) @binding(0) var<storage, read_write> keys: array<f32>;
// `[context, kv_heads · value_dim]`
@group(2) @binding(1) var<storage, read_write> values: array<f32>;

const TILE: u32 = 64u;

var<workgroup> query: array<f32, MAX_HEAD>;
var<workgroup> scores: array<f32, TILE>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let h = group.x;
    let g = h / (params.heads / params.kv_heads);
    let position = run.position + group.y;
    let steps = f32(1u + position / params.temperature_length);
    let factor = params.scale * (1.0 + params.temperature_factor * log(steps));
    let q = params.q + group.y * params.q_stride + h * params.key_dim;
    for (var i = lane; i < params.key_dim; i += 64u) {
        query[i] = acts[q + i] * factor;
    }
    workgroupBarrier();
    let end = position + 1u;
    let start = select(0u, end - min(end, params.window), params.window != NONE);
    var maximum = -3.0e38;
    var total = 0.0;
    var out: array<f32, OWNED>;
    for (var tile = start; tile < end; tile += TILE) {
        let count = min(TILE, end - tile);
        if lane < count {
            let key = ((tile + lane) * params.kv_heads + g) * params.key_dim;
            var score = 0.0;
            for (var i = 0u; i < params.key_dim; i++) {
                score += query[i] * keys[key + i];
            }
            scores[lane] = soft_cap(params.softcap, score);
        }
        workgroupBarrier();
        var highest = maximum;
        for (var s = 0u; s < count; s++) {
            highest = max(highest, scores[s]);
        }
        workgroupBarrier();
        if lane < count {
            scores[lane] = exp(scores[lane] - highest);
        }
        workgroupBarrier();
        let shrink = exp(max(maximum - highest, -80.0));
        maximum = highest;
        total *= shrink;
        for (var o = 0u; o < OWNED; o++) {
            out[o] *= shrink;
        }
        for (var s = 0u; s < count; s++) {
            let weight = scores[s];
            total += weight;
            let value = ((tile + s) * params.kv_heads + g) * params.value_dim;
            for (var o = 0u; o < OWNED; o++) {
                let i = lane + 64u * o;
                if i < params.value_dim {
                    out[o] += weight * values[value + i];
                }
            }
        }
        workgroupBarrier();
    }
    for (var o = 0u; o < OWNED; o++) {
        let i = lane + 64u * o;
        if i < params.value_dim {
            let column = h * params.value_dim + i;
            var y = out[o] / total;
            if params.gate != NONE {
                y *= sigmoid(acts[params.gate + group.y * params.gate_stride + column]);
            }
            acts[params.y + group.y * params.y_stride + column] = y;
        }
    }
}
