// Prelude: keys and values in 32 bits.

// `[context, kv_heads, KEY_QUADS]`
@group(2) @binding(0) var<storage, read_write> keys: array<vec4<f32>>;
// `[context, kv_heads, VALUE_QUADS]`
@group(2) @binding(1) var<storage, read_write> values: array<vec4<f32>>;

fn cached(x: vec4<f32>) -> vec4<f32> {
    return x;
}

fn key(i: u32) -> vec4<f32> {
    return keys[i];
}

fn value(i: u32) -> vec4<f32> {
    return values[i];
}
