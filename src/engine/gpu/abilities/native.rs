//! On Vulkan.

/// What a kernel with subgroups begins with: naga knows their functions without being told.
pub const WGSL_DIRECTIVES: &str = "";

/// Whether kernels may use subgroups.
pub fn has_subgroups(device: &wgpu::Device) -> bool {
    device.features().contains(wgpu::Features::SUBGROUP)
}
