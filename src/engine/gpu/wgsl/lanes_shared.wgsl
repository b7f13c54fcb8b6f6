// Prelude of linear.wgsl: LANES neighbours add up what they have, by way of workgroup memory.

var<workgroup> shares: array<f32, 64u * SUMS>;
var<workgroup> squares: array<f32, 64>;

// Every lane gets its share of the sums, which are every LANES-th of `sums`; and the sum of all `square`.
// To be called from uniform control flow.
fn add_lanes(square: f32, sums: ptr<function, array<f32, SUMS>>, index: u32) -> f32 {
    let lane = index % LANES;
    let first = index - lane;
    squares[index] = square;
    for (var i = 0u; i < SUMS; i++) {
        shares[64u * i + index] = (*sums)[i];
    }
    workgroupBarrier();
    var all = 0.0;
    for (var l = 0u; l < LANES; l++) {
        all += squares[first + l];
    }
    for (var i = lane; i < SUMS; i += LANES) {
        var sum = 0.0;
        for (var l = 0u; l < LANES; l++) {
            sum += shares[64u * i + first + l];
        }
        (*sums)[i] = sum;
    }
    workgroupBarrier();
    return all;
}
