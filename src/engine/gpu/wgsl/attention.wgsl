// y[t, h, :] = Σ_s softmax_s(cap(scale · q[t, h] · k[s, g])) · v[s, g, :]; twin: kernels/attention.rs; operands: heads.wgsl.
//
// A row is a token's query head. A workgroup takes ROWS rows that share a key-value head, so that keys and values are read
// once for them, and goes over the positions they see in tiles of 64 with a running maximum (Dao et al., FlashAttention,
// 2022). There is a workgroup for every piece of the positions (Dao et al., Flash-Decoding, 2023), whose results
// attention_reduce.wgsl adds up if there are several.
//
// The host defines ROWS (a power of two), SPAN (VALUE_QUADS, rounded up to a power of two, 64 at most) and FUSED: one token
// runs, whose heads are prepared here, and whose key and value the workgroup of their piece puts into the cache.

const TILE: u32 = 64u;
// Invocations that share a row's scores.
const SHARERS: u32 = 64u / ROWS;
// Positions whose values are added at a time, each by SPAN invocations; and fours of values of each invocation.
const ABREAST: u32 = 64u / SPAN;
const OWNED: u32 = (VALUE_QUADS + SPAN - 1u) / SPAN;
// The score of what is not seen.
const HIDDEN: f32 = -3.0e38;

var<workgroup> query: array<vec4<f32>, ROWS * KEY_QUADS>;
var<workgroup> scores: array<f32, ROWS * TILE>;
var<workgroup> shared_values: array<f32, 64>;
// By row.
var<workgroup> shrinks: array<f32, ROWS>;
var<workgroup> maxima: array<f32, ROWS>;
var<workgroup> totals: array<f32, ROWS>;
var<workgroup> sums_of_values: array<vec4<f32>, 64>;

// Query head `h` of `token` becomes row `r`.
fn load_query(r: u32, token: u32, h: u32, lane: u32) {
    let position = run.position + token;
    load_head(params.q + token * params.stride + h * params.key_dim, params.key_dim, lane);
    if FUSED {
        prepare_query(lane, position);
    }
    let steps = f32(1u + position / params.temperature_length);
    let factor = params.scale * (1.0 + params.temperature_factor * log(steps));
    for (var i = lane; i < KEY_QUADS; i += 64u) {
        query[r * KEY_QUADS + i] = factor * quad(i);
    }
    workgroupBarrier();
}

// The sum or, if so wanted, the maximum of what the SHARERS invocations of a row have.
fn of_row(own: f32, lane: u32, is_maximum: bool) -> f32 {
    workgroupBarrier();
    shared_values[lane] = own;
    workgroupBarrier();
    let first = lane / SHARERS * SHARERS;
    var all = shared_values[first];
    for (var i = 1u; i < SHARERS; i++) {
        let other = shared_values[first + i];
        all = select(all + other, max(all, other), is_maximum);
    }
    return all;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) pieces: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let g = group.x;
    let first = group.y * ROWS;
    // What is past the end is computed like the last one, and not written.
    let last = min(first + ROWS, run.tokens * GROUP) - 1u;
    for (var r = 0u; r < ROWS; r++) {
        let row = min(first + r, last);
        load_query(r, row / GROUP, g * GROUP + row % GROUP, lane);
    }
    let begin = first_visible(run.position + first / GROUP);
    let end = run.position + last / GROUP + 1u;
    let share = ((end - begin + pieces.z - 1u) / pieces.z + TILE - 1u) / TILE * TILE;
    let start = begin + group.z * share;
    let stop = min(end, start + share);
    if FUSED && params.k != NONE && start < stop && stop == end {
        append_key(g, 0u, lane);
        append_value(g, 0u, lane);
        storageBarrier();
    }
    let own = lane / SHARERS;
    let abreast = lane / SPAN;
    var maximum = HIDDEN;
    var total = 0.0;
    var out: array<vec4<f32>, ROWS * OWNED>;
    for (var i = 0u; i < ROWS * OWNED; i++) {
        out[i] = vec4<f32>();
    }
    for (var tile = start; tile < stop; tile += TILE) {
        let count = min(TILE, stop - tile);
        let position = tile + lane;
        var products: array<f32, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            products[r] = 0.0;
        }
        if lane < count {
            let at = (position * params.kv_heads + g) * KEY_QUADS;
            for (var i = 0u; i < KEY_QUADS; i++) {
                let k = key(at + i);
                for (var r = 0u; r < ROWS; r++) {
                    products[r] += dot(query[r * KEY_QUADS + i], k);
                }
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            let seer = run.position + min(first + r, last) / GROUP;
            let is_seen = lane < count && position <= seer && position >= first_visible(seer);
            scores[r * TILE + lane] = select(HIDDEN, soft_cap(params.softcap, products[r]), is_seen);
        }
        workgroupBarrier();
        var highest = maximum;
        for (var s = lane % SHARERS; s < TILE; s += SHARERS) {
            highest = max(highest, scores[own * TILE + s]);
        }
        highest = of_row(highest, lane, true);
        let shrink = exp(max(maximum - highest, -80.0));
        maximum = highest;
        var sum = 0.0;
        for (var s = lane % SHARERS; s < TILE; s += SHARERS) {
            let score = scores[own * TILE + s];
            let weight = select(0.0, exp(max(score - highest, -80.0)), score > HIDDEN);
            scores[own * TILE + s] = weight;
            sum += weight;
        }
        total = total * shrink + of_row(sum, lane, false);
        if lane % SHARERS == 0u {
            shrinks[own] = shrink;
        }
        workgroupBarrier();
        for (var r = 0u; r < ROWS; r++) {
            for (var o = 0u; o < OWNED; o++) {
                out[r * OWNED + o] *= shrinks[r];
            }
        }
        for (var s = abreast; s < count; s += ABREAST) {
            let at = ((tile + s) * params.kv_heads + g) * VALUE_QUADS;
            for (var o = 0u; o < OWNED; o++) {
                let i = lane % SPAN + o * SPAN;
                if i < VALUE_QUADS {
                    let v = value(at + i);
                    for (var r = 0u; r < ROWS; r++) {
                        out[r * OWNED + o] += scores[r * TILE + s] * v;
                    }
                }
            }
        }
        workgroupBarrier();
    }
    if lane % SHARERS == 0u {
        maxima[own] = maximum;
        totals[own] = total;
    }
    for (var r = 0u; r < ROWS; r++) {
        let row = first + r;
        let h = g * GROUP + row % GROUP;
        let partial = params.partials + (h * SPLITS + group.z) * PARTIAL;
        for (var o = 0u; o < OWNED; o++) {
            workgroupBarrier();
            sums_of_values[lane] = out[r * OWNED + o];
            workgroupBarrier();
            let i = lane + o * SPAN;
            if lane < SPAN && i < VALUE_QUADS && row <= last {
                var sum = vec4<f32>();
                for (var a = 0u; a < ABREAST; a++) {
                    sum += sums_of_values[a * SPAN + lane];
                }
                for (var c = 0u; c < 4u; c++) {
                    if pieces.z > 1u {
                        acts[partial + 4u * i + c] = sum[c];
                    } else if 4u * i + c < params.value_dim {
                        store(row / GROUP, h, 4u * i + c, sum[c] / totals[r]);
                    }
                }
            }
        }
        if pieces.z > 1u && lane == 0u && row <= last {
            acts[partial + PARTIAL - 2u] = maxima[r];
            acts[partial + PARTIAL - 1u] = totals[r];
        }
    }
}
