// y[t, :] = scale · table[id[t], :]; twin: kernels/embed.rs. One workgroup per token.

struct Params {
    // y, `[tokens, columns]`: where it begins in `acts`, and elements from one token to the next.
    y: u32,
    y_stride: u32,
    columns: u32,
    // Rows of the table that are bound, and the first one's id.
    first_row: u32,
    rows: u32,
    scale: f32,
}

@group(1) @binding(0) var<uniform> params: Params;

// A run that found a logit to be no finite number chose -1; nobody wants what follows it.
fn token_id(t: u32) -> u32 {
    if run.token == NONE {
        return ids[t];
    }
    return u32(max(acts[run.token], 0.0));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = token_id(group.y) - params.first_row;
    if row >= params.rows {
        return;
    }
    let blocks = (params.columns + 31u) / 32u;
    let y = params.y + group.y * params.y_stride;
    for (var block = lane; block < blocks; block += 64u) {
        load_block(row * blocks + block);
        for (var c = 0u; c < min(32u, params.columns - 32u * block); c++) {
            acts[y + 32u * block + c] = w[c / 4u][c % 4u] * params.scale;
        }
    }
}
