//! In a browser. wgpu knows nothing of subgroups here: the worker sees to it that devices have them (`pkg/src/wgpu.ts`).

/// What a kernel with subgroups begins with.
pub const WGSL_DIRECTIVES: &str = "enable subgroups;";

/// Whether kernels may use subgroups.
pub fn has_subgroups(device: &wgpu::Device) -> bool {
    device.as_webgpu().is_some_and(|device| device.features().has("subgroups"))
}
