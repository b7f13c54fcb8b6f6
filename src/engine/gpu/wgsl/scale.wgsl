// x = x · by[0]; twin: kernels/scale.rs. One workgroup per 64 columns and token.

struct Params {
    // x, `[tokens, width]`, in `acts`.
    x: u32,
    stride: u32,
    width: u32,
    // `[1]` in `vectors`.
    by: u32,
}

@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = group.x * 64u + lane;
    if column < params.width {
        acts[params.x + group.y * params.stride + column] *= vectors[params.by];
    }
}
