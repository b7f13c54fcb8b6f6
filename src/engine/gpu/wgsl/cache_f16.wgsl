// Prelude: keys and values in 16 bits, packed, so that no device needs to know such numbers.

// `[context, kv_heads, KEY_QUADS]`
@group(2) @binding(0) var<storage, read_write> keys: array<vec2<u32>>;
// `[context, kv_heads, VALUE_QUADS]`
@group(2) @binding(1) var<storage, read_write> values: array<vec2<u32>>;

// What is too large for 16 bits becomes the largest of them.
fn cached(x: vec4<f32>) -> vec2<u32> {
    let near = clamp(x, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    return vec2<u32>(pack2x16float(near.xy), pack2x16float(near.zw));
}

fn key(i: u32) -> vec4<f32> {
    let packed = keys[i];
    return vec4<f32>(unpack2x16float(packed.x), unpack2x16float(packed.y));
}

fn value(i: u32) -> vec4<f32> {
    let packed = values[i];
    return vec4<f32>(unpack2x16float(packed.x), unpack2x16float(packed.y));
}
