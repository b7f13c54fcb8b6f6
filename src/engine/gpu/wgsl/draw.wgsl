// A token drawn from what top-k, min-p and top-p leave; twin: `Draw` in draw.rs. One workgroup, after argmax.wgsl.
//
// Thresholds are logits, as integers in the same order. The highest one above which there is enough is found bit by bit,
// which takes 32 sums over the vocabulary and neither sorts nor stores anything. `chosen` is the likeliest token before, and
// the drawn one afterwards; -1 is left alone.

const SIGN: u32 = 0x80000000u;
const SMALLEST: f32 = 1.17549435e-38;

var<workgroup> sums: array<f32, LANES>;
// The likeliest token, and its logit.
var<workgroup> likeliest: f32;
var<workgroup> largest: f32;

// Every lane gets the sum. To be called from uniform control flow.
fn sum_of_lanes(value: f32, lane: u32) -> f32 {
    workgroupBarrier();
    sums[lane] = value;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    return sums[0];
}

// Unsigned integers in the order of the floats.
fn key(logit: f32) -> u32 {
    let bits = bitcast<u32>(logit);
    return select(bits | SIGN, ~bits, (bits & SIGN) != 0u);
}

// The weight of a token that `least` and min-p leave, 0 of another one.
fn kept_weight(id: u32, least: u32) -> f32 {
    let logit = acts[params.logits + id];
    let weight = exp((logit - largest) / run.temperature);
    return select(0.0, weight, key(logit) >= least && weight >= clamp(run.min_p, SMALLEST, 1.0));
}

// The weights from the threshold `least` on, or, unless `is_weighed`, the number of logits.
fn amount_from(least: u32, is_weighed: bool, lane: u32) -> f32 {
    var sum = 0.0;
    for (var id = lane; id < params.vocab; id += LANES) {
        if is_weighed {
            sum += kept_weight(id, least);
        } else {
            sum += f32(key(acts[params.logits + id]) >= least);
        }
    }
    return sum_of_lanes(sum, lane);
}

// The highest threshold, `floor` at least, from which on there is `enough`.
fn threshold(enough: f32, floor: u32, is_weighed: bool, lane: u32) -> u32 {
    var least = 0u;
    for (var bit = SIGN; bit > 0u; bit >>= 1u) {
        let higher = least | bit;
        if amount_from(max(higher, floor), is_weighed, lane) >= enough {
            least = higher;
        }
    }
    return max(least, floor);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    if lane == 0u {
        likeliest = acts[params.chosen];
        largest = acts[params.logits + u32(max(likeliest, 0.0))];
    }
    // Nothing is drawn where a logit is no finite number.
    if workgroupUniformLoad(&likeliest) < 0.0 {
        return;
    }
    var least = 0u;
    if run.top_k > 0u && run.top_k < params.vocab {
        least = threshold(f32(run.top_k), 0u, false, lane);
    }
    if run.top_p < 1.0 {
        least = threshold(run.top_p * amount_from(least, true, lane), least, true, lane);
    }
    // Each lane sums its own stretch, in the order of the ids.
    let stretch = (params.vocab + LANES - 1u) / LANES;
    let first = lane * stretch;
    let end = min(first + stretch, params.vocab);
    var own = 0.0;
    for (var id = first; id < end; id++) {
        own += kept_weight(id, least);
    }
    workgroupBarrier();
    sums[lane] = own;
    workgroupBarrier();
    if lane > 0u {
        return;
    }
    var total = 0.0;
    for (var other = 0u; other < LANES; other++) {
        total += sums[other];
    }
    // The stretch in which the sum passes the goal, then the token in it.
    var left = run.fraction * total;
    var at = 0u;
    for (var other = 0u; other < LANES; other++) {
        if sums[other] > 0.0 {
            at = other;
        }
        if sums[other] > left {
            break;
        }
        left -= sums[other];
    }
    var drawn = u32(likeliest);
    for (var id = at * stretch; id < min((at + 1u) * stretch, params.vocab); id++) {
        let weight = kept_weight(id, least);
        if weight > 0.0 {
            drawn = id;
        }
        if weight > left {
            break;
        }
        left -= weight;
    }
    acts[params.chosen] = f32(drawn);
}
