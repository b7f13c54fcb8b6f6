// The causal depthwise convolution with SiLU before a gated delta net, in place; twin: `convolve` of
// kernels/delta_net.rs. One invocation per channel goes through the tokens in order. The host defines TAPS.

struct Params {
    // `[tokens, channels]` in `acts`.
    qkv: u32,
    stride: u32,
    channels: u32,
    // `[channels, TAPS]` in `vectors`.
    kernel: u32,
}

@group(1) @binding(0) var<uniform> params: Params;
// `[TAPS − 1, channels]`: the last inputs, oldest first.
@group(2) @binding(0) var<storage, read_write> state: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let c = id.x;
    if c >= params.channels {
        return;
    }
    var seen: array<f32, TAPS>;
    for (var j = 1u; j < TAPS; j++) {
        seen[j] = state[(j - 1u) * params.channels + c];
    }
    for (var t = 0u; t < run.tokens; t++) {
        let at = params.qkv + t * params.stride + c;
        var sum = 0.0;
        for (var j = 0u; j < TAPS; j++) {
            if j + 1u < TAPS {
                seen[j] = seen[j + 1u];
            } else {
                seen[j] = acts[at];
            }
            sum += vectors[params.kernel + c * TAPS + j] * seen[j];
        }
        acts[at] = activate(SILU, sum);
    }
    for (var j = 1u; j < TAPS; j++) {
        state[(j - 1u) * params.channels + c] = seen[j];
    }
}
