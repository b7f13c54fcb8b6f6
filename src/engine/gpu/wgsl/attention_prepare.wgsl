// Norm and rotation of every head, keys and values into the cache; twin: `Attention::append` and `prepare` of
// kernels/attention.rs. One workgroup per head (queries, then keys, then values) and token.
// The host defines MAX_HEAD, the most dimensions of a head.

struct Params {
    // `[tokens, heads · key_dim]`, `[tokens, kv_heads · key_dim]`, `[tokens, kv_heads · value_dim]`, in one buffer of `acts`.
    q: u32,
    k: u32,
    v: u32,
    stride: u32,
    heads: u32,
    kv_heads: u32,
    key_dim: u32,
    value_dim: u32,
    // `[dim]` in `vectors`, or NONE; and whether there is a norm at all: bit 0 queries, bit 1 keys, bit 2 values.
    norms: u32,
    q_weight: u32,
    k_weight: u32,
    v_weight: u32,
    q_bias: u32,
    k_bias: u32,
    v_bias: u32,
    centred: u32,
    q_eps: f32,
    k_eps: f32,
    v_eps: f32,
    // `[3, 128, pairs, 2]` in `vectors`: cos and sin of the angles of d, 128 · d and 128² · d positions; or NONE.
    rope: u32,
    pairs: u32,
    rope_scale: f32,
}

@group(1) @binding(0) var<uniform> params: Params;
// `[context, kv_heads · key_dim]`
@group(2) @binding(0) var<storage, read_write> keys: array<f32>;
// `[context, kv_heads · value_dim]`
@group(2) @binding(1) var<storage, read_write> values: array<f32>;

var<workgroup> head: array<f32, MAX_HEAD>;

fn turn(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

fn table(level: u32, digit: u32, pair: u32) -> vec2<f32> {
    let at = params.rope + 2u * ((level * 128u + digit) * params.pairs + pair);
    return vec2<f32>(vectors[at], vectors[at + 1u]);
}

// cos and sin of a pair's angle: the product of those of the position's three digits, so that no angle is large.
fn angle(position: u32, pair: u32) -> vec2<f32> {
    let low = turn(table(0u, position & 127u, pair), table(1u, (position >> 7u) & 127u, pair));
    return turn(low, table(2u, (position >> 14u) & 127u, pair)) * params.rope_scale;
}

fn normalise(dim: u32, lane: u32, weight: u32, bias: u32, eps: f32) {
    var mean = 0.0;
    if params.centred == 1u {
        var sum = 0.0;
        for (var i = lane; i < dim; i += 64u) {
            sum += head[i];
        }
        mean = sum_of(sum, lane) / f32(dim);
    }
    var square = 0.0;
    for (var i = lane; i < dim; i += 64u) {
        let v = head[i] - mean;
        square += v * v;
    }
    let factor = inverseSqrt(sum_of(square, lane) / f32(dim) + eps);
    for (var i = lane; i < dim; i += 64u) {
        var n = (head[i] - mean) * factor;
        if weight != NONE {
            n *= vectors[weight + i];
        }
        if bias != NONE {
            n += vectors[bias + i];
        }
        head[i] = n;
    }
    workgroupBarrier();
}

fn rotate(lane: u32, position: u32) {
    for (var i = lane; i < params.pairs; i += 64u) {
        let turned = turn(vec2<f32>(head[i], head[i + params.pairs]), angle(position, i));
        head[i] = turned.x;
        head[i + params.pairs] = turned.y;
    }
    workgroupBarrier();
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let is_query = group.x < params.heads;
    let is_value = group.x >= params.heads + params.kv_heads;
    let dim = select(params.key_dim, params.value_dim, is_value);
    let number = group.x - select(select(params.heads, params.heads + params.kv_heads, is_value), 0u, is_query);
    let source = select(select(params.k, params.v, is_value), params.q, is_query) + group.y * params.stride + number * dim;
    for (var i = lane; i < dim; i += 64u) {
        head[i] = acts[source + i];
    }
    workgroupBarrier();
    if is_query && (params.norms & 1u) != 0u {
        normalise(dim, lane, params.q_weight, params.q_bias, params.q_eps);
    } else if !is_query && !is_value && (params.norms & 2u) != 0u {
        normalise(dim, lane, params.k_weight, params.k_bias, params.k_eps);
    } else if is_value && (params.norms & 4u) != 0u {
        normalise(dim, lane, params.v_weight, params.v_bias, params.v_eps);
    }
    let position = run.position + group.y;
    if !is_value && params.rope != NONE {
        rotate(lane, position);
    }
    let cached = (position * params.kv_heads + number) * dim;
    for (var i = lane; i < dim; i += 64u) {
        if is_query {
            acts[source + i] = head[i];
        } else if is_value {
            values[cached + i] = head[i];
        } else {
            keys[cached + i] = head[i];
        }
    }
}
