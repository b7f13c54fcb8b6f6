// Prelude of every kernel: what one run of the recording works on.

struct Run {
    // Tokens of the batch.
    tokens: u32,
    // Position of the first of them.
    position: u32,
    // First token whose logits are wanted.
    first_logits: u32,
    // Where in `acts` the only token's id is, as the run before chose it; NONE if `ids` has the tokens.
    token: u32,
    // How a token is drawn; read where one is.
    top_k: u32,
    temperature: f32,
    min_p: f32,
    top_p: f32,
    fraction: f32,
}

// A vector or view that is absent.
const NONE: u32 = 0xffffffffu;

// Every activation buffer, `[tokens, width]` each, one behind the other; then the logits.
@group(0) @binding(0) var<storage, read_write> acts: array<f32>;
// Norms, biases, convolution kernels and rotary tables.
@group(0) @binding(1) var<storage, read> vectors: array<f32>;
@group(0) @binding(2) var<uniform> run: Run;
// Token ids, `[tokens]`.
@group(0) @binding(3) var<storage, read> ids: array<u32>;
