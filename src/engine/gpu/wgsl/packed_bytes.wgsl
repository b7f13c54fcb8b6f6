// Prelude of linear_packed.wgsl, behind weights_bytes.wgsl.

// Block `index`, counted over all rows, times block `block` of the rounded x.
fn packed_product(index: u32, block: u32) -> f32 {
    let first = quants[2u * index];
    let second = quants[2u * index + 1u];
    var low = 0;
    var high = 0;
    for (var j = 0u; j < 4u; j++) {
        low += dot4I8Packed(first[j], rounded[8u * block + j]);
        high += dot4I8Packed(second[j], rounded[8u * block + 4u + j]);
    }
    let at = index * select(GROUPS, 2u * GROUPS, HAS_MIN);
    var product = scales[at] * f32(low) + scales[at + GROUPS - 1u] * f32(high);
    if HAS_MIN {
        let sums = halves[block];
        product += scales[at + GROUPS] * sums.x + scales[at + 2u * GROUPS - 1u] * sums.y;
    }
    return steps[block] * product;
}
