// S ← e^g · S;  S ← S + k ⊗ (β · (v − Sᵀk));  y = norm(Sᵀq / √key_dim) · silu(z); twin: kernels/delta_net.rs.
// One workgroup per value head goes through the tokens in order; an invocation owns columns of S.
// The host defines KEY_DIM and VALUE_DIM.

struct Params {
    // `[tokens, 2 · key_heads · KEY_DIM + value_heads · VALUE_DIM]`, after the convolution, in `acts`; z, β and α
    // are columns of the same buffer.
    qkv: u32,
    z: u32,
    beta: u32,
    alpha: u32,
    stride: u32,
    // `[tokens, value_heads · VALUE_DIM]` in `acts`.
    y: u32,
    y_stride: u32,
    key_heads: u32,
    // `[value_heads]` each, in `vectors`.
    a: u32,
    dt: u32,
    // `[VALUE_DIM]` in `vectors`, or NONE.
    norm_weight: u32,
    norm_bias: u32,
    centred: u32,
    eps: f32,
}

@group(1) @binding(0) var<uniform> params: Params;
// `[value_heads, KEY_DIM, VALUE_DIM]`
@group(2) @binding(0) var<storage, read_write> state: array<f32>;

const L2_EPS: f32 = 1e-6;

var<workgroup> q: array<f32, KEY_DIM>;
var<workgroup> k: array<f32, KEY_DIM>;
var<workgroup> out: array<f32, VALUE_DIM>;

// q and k of unit length.
fn load_unit(source: u32, keys: u32, lane: u32) {
    var qq = 0.0;
    var kk = 0.0;
    for (var i = lane; i < KEY_DIM; i += 64u) {
        q[i] = acts[source + i];
        k[i] = acts[source + keys + i];
        qq += q[i] * q[i];
        kk += k[i] * k[i];
    }
    let q_scale = inverseSqrt(sum_of(qq, lane) + L2_EPS);
    let k_scale = inverseSqrt(sum_of(kk, lane) + L2_EPS);
    for (var i = lane; i < KEY_DIM; i += 64u) {
        q[i] *= q_scale;
        k[i] *= k_scale;
    }
    workgroupBarrier();
}

// One column of the head's state, before and after the token.
fn advance(s: u32, j: u32, decay: f32, beta: f32, v: f32) -> f32 {
    var known = 0.0;
    for (var i = 0u; i < KEY_DIM; i++) {
        known += decay * state[s + i * VALUE_DIM + j] * k[i];
    }
    let delta = beta * (v - known);
    var sum = 0.0;
    for (var i = 0u; i < KEY_DIM; i++) {
        let at = s + i * VALUE_DIM + j;
        let updated = decay * state[at] + k[i] * delta;
        state[at] = updated;
        sum += updated * q[i];
    }
    return sum * inverseSqrt(f32(KEY_DIM));
}

// Writes norm(out) · silu(z).
fn finish(y: u32, z: u32, lane: u32) {
    var mean = 0.0;
    if params.centred == 1u {
        var sum = 0.0;
        for (var j = lane; j < VALUE_DIM; j += 64u) {
            sum += out[j];
        }
        mean = sum_of(sum, lane) / f32(VALUE_DIM);
    }
    var square = 0.0;
    for (var j = lane; j < VALUE_DIM; j += 64u) {
        let v = out[j] - mean;
        square += v * v;
    }
    let factor = inverseSqrt(sum_of(square, lane) / f32(VALUE_DIM) + params.eps);
    for (var j = lane; j < VALUE_DIM; j += 64u) {
        var n = (out[j] - mean) * factor;
        if params.norm_weight != NONE {
            n *= vectors[params.norm_weight + j];
        }
        if params.norm_bias != NONE {
            n += vectors[params.norm_bias + j];
        }
        acts[y + j] = n * activate(SILU, acts[z + j]);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = group.x;
    let keys = params.key_heads * KEY_DIM;
    let s = head * KEY_DIM * VALUE_DIM;
    for (var t = 0u; t < run.tokens; t++) {
        let row = t * params.stride;
        load_unit(params.qkv + row + head % params.key_heads * KEY_DIM, keys, lane);
        let beta = sigmoid(acts[params.beta + row + head]);
        let rate = softplus(acts[params.alpha + row + head] + vectors[params.dt + head]);
        let decay = exp(max(vectors[params.a + head] * rate, -80.0));
        let v = params.qkv + row + 2u * keys + head * VALUE_DIM;
        for (var j = lane; j < VALUE_DIM; j += 64u) {
            out[j] = advance(s, j, decay, beta, acts[v + j]);
        }
        finish(params.y + t * params.y_stride + head * VALUE_DIM, params.z + row + head * VALUE_DIM, lane);
        workgroupBarrier();
    }
}
