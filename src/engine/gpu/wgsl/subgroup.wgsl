// Prelude: sums by subgroups. The host defines LANES: so many neighbours are in one subgroup, which may be larger.

// Every invocation gets the sum of its LANES neighbours' values. To be called from uniform control flow.
fn sum_of_lanes(value: f32) -> f32 {
    var sum = value;
    for (var distance = 1u; distance < LANES; distance *= 2u) {
        sum += subgroupShuffleXor(sum, distance);
    }
    return sum;
}
