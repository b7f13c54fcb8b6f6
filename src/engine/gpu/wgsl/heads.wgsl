// Prelude of the attention kernels: their operands, and a head's norm and rotation; twins: `Attention::append` and `prepare`
// of kernels/attention.rs. The host defines GROUP (query heads that share a key-value head), KEY_QUADS and VALUE_QUADS
// (dimensions of a head, in fours, rounded up), and SPLITS (pieces that positions are split into at most).

struct Params {
    // `[tokens, heads · key_dim]`, `[tokens, kv_heads · key_dim]`, `[tokens, kv_heads · value_dim]`, in one buffer of `acts`;
    // k and v may be NONE: another layer's are read.
    q: u32,
    k: u32,
    v: u32,
    stride: u32,
    // `[tokens, heads · value_dim]` in `acts`.
    y: u32,
    y_stride: u32,
    // `[tokens, heads · value_dim]` in `acts`, or NONE: y is multiplied by its sigmoid.
    gate: u32,
    gate_stride: u32,
    // `[heads, SPLITS, PARTIAL]` in `acts`: what pieces of the positions make.
    partials: u32,
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
    // Whether there is a norm at all: bit 0 queries, bit 1 keys, bit 2 values; and `[dim]` in `vectors`, or NONE.
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

// Positions of a piece, where there are few pieces.
const SPLIT: u32 = 256u;
// A piece's weighted sum of values, then its largest score and the sum of its weights.
const PARTIAL: u32 = 4u * VALUE_QUADS + 2u;
const MAX_HEAD: u32 = 4u * max(KEY_QUADS, VALUE_QUADS);

// The head in hand, zero behind its dimensions.
var<workgroup> head: array<f32, MAX_HEAD>;

// First position that a token at `position` sees.
fn first_visible(position: u32) -> u32 {
    return select(0u, position + 1u - min(position + 1u, params.window), params.window != NONE);
}

// Loads a head of `dim` dimensions. Nobody may still read the one before.
fn load_head(source: u32, dim: u32, lane: u32) {
    for (var i = lane; i < MAX_HEAD; i += 64u) {
        var x = 0.0;
        if i < dim {
            x = acts[source + i];
        }
        head[i] = x;
    }
    workgroupBarrier();
}

fn quad(i: u32) -> vec4<f32> {
    return vec4<f32>(head[4u * i], head[4u * i + 1u], head[4u * i + 2u], head[4u * i + 3u]);
}

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
    if params.rope == NONE {
        return;
    }
    for (var i = lane; i < params.pairs; i += 64u) {
        let turned = turn(vec2<f32>(head[i], head[i + params.pairs]), angle(position, i));
        head[i] = turned.x;
        head[i + params.pairs] = turned.y;
    }
    workgroupBarrier();
}

fn prepare_query(lane: u32, position: u32) {
    if (params.norms & 1u) != 0u {
        normalise(params.key_dim, lane, params.q_weight, params.q_bias, params.q_eps);
    }
    rotate(lane, position);
}

// Key `g` of token `token` into the cache.
fn append_key(g: u32, token: u32, lane: u32) {
    let position = run.position + token;
    load_head(params.k + token * params.stride + g * params.key_dim, params.key_dim, lane);
    if (params.norms & 2u) != 0u {
        normalise(params.key_dim, lane, params.k_weight, params.k_bias, params.k_eps);
    }
    rotate(lane, position);
    for (var i = lane; i < KEY_QUADS; i += 64u) {
        keys[(position * params.kv_heads + g) * KEY_QUADS + i] = cached(quad(i));
    }
    workgroupBarrier();
}

// Value `g` of token `token` into the cache.
fn append_value(g: u32, token: u32, lane: u32) {
    load_head(params.v + token * params.stride + g * params.value_dim, params.value_dim, lane);
    if (params.norms & 4u) != 0u {
        normalise(params.value_dim, lane, params.v_weight, params.v_bias, params.v_eps);
    }
    for (var i = lane; i < VALUE_QUADS; i += 64u) {
        values[((run.position + token) * params.kv_heads + g) * VALUE_QUADS + i] = cached(quad(i));
    }
    workgroupBarrier();
}

// Writes dimension `i` of the result of head `h`.
fn store(token: u32, h: u32, i: u32, sum: f32) {
    let column = h * params.value_dim + i;
    var y = sum;
    if params.gate != NONE {
        y *= sigmoid(acts[params.gate + token * params.gate_stride + column]);
    }
    acts[params.y + token * params.y_stride + column] = y;
}
