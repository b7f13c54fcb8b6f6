// RMSNorm and LayerNorm over groups of columns; twin: kernels/norm.rs. One workgroup per group and token.

struct Params {
    // x and y, `[tokens, groups · group]`, in `acts`; y may be x.
    x: u32,
    x_stride: u32,
    y: u32,
    y_stride: u32,
    group: u32,
    // 1: subtract the mean.
    centred: u32,
    eps: f32,
    // `[group]` in `vectors`, or NONE.
    weight: u32,
    bias: u32,
    // 1: y = y + scale · n; 0: y = n.
    adds: u32,
    scale: f32,
}

@group(1) @binding(0) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let x = params.x + group.y * params.x_stride + group.x * params.group;
    let y = params.y + group.y * params.y_stride + group.x * params.group;
    var mean = 0.0;
    if params.centred == 1u {
        var sum = 0.0;
        for (var i = lane; i < params.group; i += 64u) {
            sum += acts[x + i];
        }
        mean = sum_of(sum, lane) / f32(params.group);
    }
    var square = 0.0;
    for (var i = lane; i < params.group; i += 64u) {
        let v = acts[x + i] - mean;
        square += v * v;
    }
    let factor = inverseSqrt(sum_of(square, lane) / f32(params.group) + params.eps);
    for (var i = lane; i < params.group; i += 64u) {
        var n = (acts[x + i] - mean) * factor;
        if params.weight != NONE {
            n *= vectors[params.weight + i];
        }
        if params.bias != NONE {
            n += vectors[params.bias + i];
        }
        acts[y + i] = select(n, acts[y + i] + params.scale * n, params.adds == 1u);
    }
}
