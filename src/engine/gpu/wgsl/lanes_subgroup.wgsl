// Prelude of linear.wgsl: LANES neighbours of one subgroup add up what they have. Twin: lanes_shared.wgsl.

// As there; besides, every lane gets all sums.
fn add_lanes(square: f32, sums: ptr<function, array<f32, SUMS>>, index: u32) -> f32 {
    for (var i = 0u; i < SUMS; i++) {
        (*sums)[i] = sum_of_lanes((*sums)[i]);
    }
    return sum_of_lanes(square);
}
