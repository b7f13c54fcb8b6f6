// The id of the largest logit, the first of equals; twin: `argmax` in argmax.rs. One workgroup.
//
// An infinity or a NaN among the logits gives -1. It is told by its bits: compilers may assume that no float is one.

const EXPONENT: u32 = 0x7f800000u;

var<workgroup> values: array<f32, LANES>;
// NONE where a lane saw what is no finite number.
var<workgroup> places: array<u32, LANES>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var place = min(lane, params.vocab - 1u);
    var value = acts[params.logits + place];
    var is_finite = true;
    for (var id = lane; id < params.vocab; id += LANES) {
        let logit = acts[params.logits + id];
        is_finite &= (bitcast<u32>(logit) & EXPONENT) != EXPONENT;
        if logit > value {
            value = logit;
            place = id;
        }
    }
    values[lane] = value;
    places[lane] = select(NONE, place, is_finite);
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane < half {
            let other_value = values[lane + half];
            let other = places[lane + half];
            let is_ahead = other_value > values[lane] || (other_value == values[lane] && other < places[lane]);
            if other == NONE || (places[lane] != NONE && is_ahead) {
                values[lane] = other_value;
                places[lane] = other;
            }
        }
        workgroupBarrier();
    }
    if lane == 0u {
        acts[params.chosen] = select(f32(places[0]), -1.0, places[0] == NONE);
    }
}
