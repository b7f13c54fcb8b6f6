// Norm and rotation of every head, keys and values into the cache, for several tokens; twin: `Attention::append` and
// `prepare` of kernels/attention.rs; operands: heads.wgsl. One workgroup per head (queries, then keys, then values) and token.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if group.x < params.heads {
        let source = params.q + group.y * params.stride + group.x * params.key_dim;
        load_head(source, params.key_dim, lane);
        prepare_query(lane, run.position + group.y);
        for (var i = lane; i < params.key_dim; i += 64u) {
            acts[source + i] = head[i];
        }
    } else if group.x < params.heads + params.kv_heads {
        append_key(group.x - params.heads, group.y, lane);
    } else {
        append_value(group.x - params.heads - params.kv_heads, group.y, lane);
    }
}
