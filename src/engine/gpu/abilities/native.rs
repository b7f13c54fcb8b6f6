//! On Vulkan.

/// What a kernel with subgroups begins with: naga knows their functions without being told.
pub const WGSL_DIRECTIVES: &str = "";

/// What wgpu leaves out of an adapter's name: nothing.
pub fn told(_: &wgpu::Device) -> Option<String> {
    None
}

/// Whether kernels may use subgroups.
pub fn has_subgroups(device: &wgpu::Device) -> bool {
    device.features().contains(wgpu::Features::SUBGROUP)
}
