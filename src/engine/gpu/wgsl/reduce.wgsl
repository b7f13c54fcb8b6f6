// Prelude: the sum of one value per invocation of a workgroup of 64.

var<workgroup> sums: array<f32, 64>;

// Every invocation gets the sum. To be called from uniform control flow.
fn sum_of(value: f32, lane: u32) -> f32 {
    workgroupBarrier();
    sums[lane] = value;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    return sums[0];
}
