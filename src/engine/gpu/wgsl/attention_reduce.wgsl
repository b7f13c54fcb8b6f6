// Adds up what attention.wgsl made of the pieces of one token's positions; twin: kernels/attention.rs; operands: heads.wgsl.
// One workgroup per head.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let seen = run.position + 1u - first_visible(run.position);
    let pieces = min((seen + SPLIT - 1u) / SPLIT, SPLITS);
    let first = params.partials + group.x * SPLITS * PARTIAL;
    var highest = acts[first + PARTIAL - 2u];
    for (var piece = 1u; piece < pieces; piece++) {
        highest = max(highest, acts[first + piece * PARTIAL + PARTIAL - 2u]);
    }
    for (var i = lane; i < params.value_dim; i += 64u) {
        var sum = 0.0;
        var total = 0.0;
        for (var piece = 0u; piece < pieces; piece++) {
            let partial = first + piece * PARTIAL;
            let weight = exp(max(acts[partial + PARTIAL - 2u] - highest, -80.0));
            sum += weight * acts[partial + i];
            total += weight * acts[partial + PARTIAL - 1u];
        }
        store(0u, group.x, i, sum / total);
    }
}
