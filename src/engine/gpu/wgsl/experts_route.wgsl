// The chosen experts of each token and their weights; twin: `route` of kernels/experts.rs. One invocation per token.
// The host defines SOFTMAX (against one sigmoid per expert), RENORMALISE and USED, experts per token.

struct Params {
    // `[tokens, experts]` in `acts`; overwritten.
    scores: u32,
    stride: u32,
    experts: u32,
    // Added for the choice only, `[experts]` in `vectors`, or NONE.
    bias: u32,
    // `[tokens, 2 · USED]` in `acts`: experts, then weights.
    routes: u32,
}

@group(1) @binding(0) var<uniform> params: Params;

fn is_chosen(routes: u32, chosen: u32, expert: u32) -> bool {
    for (var slot = 0u; slot < chosen; slot++) {
        if u32(acts[routes + slot]) == expert {
            return true;
        }
    }
    return false;
}

// The expert with the highest score among those not chosen yet, the first of equals.
fn best(scores: u32, routes: u32, chosen: u32) -> u32 {
    var best = 0u;
    var best_score = 0.0;
    var found = false;
    for (var e = 0u; e < params.experts; e++) {
        var score = acts[scores + e];
        if params.bias != NONE {
            score += vectors[params.bias + e];
        }
        if (!found || score > best_score) && !is_chosen(routes, chosen, e) {
            best = e;
            best_score = score;
            found = true;
        }
    }
    return best;
}

fn weigh(scores: u32) {
    var highest = acts[scores];
    for (var e = 1u; e < params.experts; e++) {
        highest = max(highest, acts[scores + e]);
    }
    var total = 0.0;
    for (var e = 0u; e < params.experts; e++) {
        let score = acts[scores + e];
        let weight = select(sigmoid(score), exp(max(score - highest, -80.0)), SOFTMAX);
        acts[scores + e] = weight;
        total += weight;
    }
    if SOFTMAX {
        for (var e = 0u; e < params.experts; e++) {
            acts[scores + e] /= total;
        }
    }
}

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3<u32>) {
    let scores = params.scores + group.y * params.stride;
    let routes = params.routes + group.y * 2u * USED;
    weigh(scores);
    var total = 0.0;
    for (var slot = 0u; slot < USED; slot++) {
        let expert = best(scores, routes, slot);
        acts[routes + slot] = f32(expert);
        acts[routes + USED + slot] = acts[scores + expert];
        total += acts[scores + expert];
    }
    if RENORMALISE {
        for (var slot = 0u; slot < USED; slot++) {
            acts[routes + USED + slot] /= total;
        }
    }
}
