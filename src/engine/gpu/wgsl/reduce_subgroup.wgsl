// Prelude: the sum of one value per invocation of a workgroup of 64, by subgroups. Twin: reduce.wgsl.

var<workgroup> sums: array<f32, 64u / LANES>;

// Every invocation gets the sum. To be called from uniform control flow.
fn sum_of(value: f32, lane: u32) -> f32 {
    let own = sum_of_lanes(value);
    workgroupBarrier();
    if lane % LANES == 0u {
        sums[lane / LANES] = own;
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < 64u / LANES; i++) {
        sum += sums[i];
    }
    return sum;
}
