// Prelude of what multiplies eight bits with eight bits: x is rounded, and an instruction multiplies four elements of it.

// 32 elements of x, rounded to 127 steps of the largest.
struct Rounded {
    // Four each.
    words: array<u32, 8>,
    // What one is worth.
    step: f32,
    // Sums of both halves, in steps.
    halves: vec2<f32>,
}

fn round_block(v: ptr<function, array<vec4<f32>, 8>>) -> Rounded {
    var largest = vec4<f32>();
    for (var j = 0u; j < 8u; j++) {
        largest = max(largest, abs((*v)[j]));
    }
    let most = max(max(largest.x, largest.y), max(largest.z, largest.w));
    let inverse = select(0.0, 127.0 / most, most > 0.0);
    var block: Rounded;
    block.step = most / 127.0;
    for (var j = 0u; j < 8u; j++) {
        let near = round((*v)[j] * inverse);
        block.halves[j / 4u] += dot(near, vec4<f32>(1.0));
        block.words[j] = pack4xI8(vec4<i32>(near));
    }
    return block;
}

// Sixteen columns of a row, and of x.
fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}
