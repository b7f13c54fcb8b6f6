// Prelude of the kernels that choose a token, which run as one workgroup of 256.

struct Params {
    // `[vocab]` in `acts`: the logits of the last token.
    logits: u32,
    vocab: u32,
    // `[1]` in `acts`: the id, as a float; -1 where a logit is no finite number.
    chosen: u32,
}

@group(1) @binding(0) var<uniform> params: Params;

const LANES: u32 = 256u;
