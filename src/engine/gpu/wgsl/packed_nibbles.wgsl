// Prelude of linear_packed.wgsl, behind weights_nibbles.wgsl.

// Block `index`, counted over all rows, times block `block` of the rounded x.
fn packed_product(index: u32, block: u32) -> f32 {
    let q = quants[index];
    var low = 0;
    var high = 0;
    for (var j = 0u; j < 4u; j++) {
        low += dot4I8Packed(q[j] & 0x0f0f0f0fu, rounded[8u * block + j]);
        high += dot4I8Packed((q[j] >> 4u) & 0x0f0f0f0fu, rounded[8u * block + 4u + j]);
    }
    let sums = halves[block];
    let at = index * select(GROUPS, 2u * GROUPS, HAS_MIN);
    var product = scales[at] * (f32(low) - ZERO * sums.x) + scales[at + GROUPS - 1u] * (f32(high) - ZERO * sums.y);
    if HAS_MIN {
        product += scales[at + GROUPS] * sums.x + scales[at + 2u * GROUPS - 1u] * sums.y;
    }
    return steps[block] * product;
}
