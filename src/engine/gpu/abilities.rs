//! What a device does beyond what every one does.

#[cfg_attr(target_arch = "wasm32", path = "abilities/web.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "abilities/native.rs")]
mod platform;

pub use self::platform::{WGSL_DIRECTIVES, told};

/// More lanes than this would find too little to do in a row.
const MOST: u32 = 16;

/// Of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// Neighbouring invocations that are in one subgroup, whatever the size is that the driver chooses for a kernel; none
    /// where kernels cannot use subgroups.
    pub neighbours: Option<usize>,
    /// Whether kernels can multiply two vectors of four bytes each.
    pub packed_dot: bool,
    /// Whether kernels can compute in half precision.
    pub halves: bool,
}

impl Abilities {
    /// What has to be asked for when the device is opened.
    pub fn wanted(adapter: &wgpu::Adapter) -> wgpu::Features {
        adapter.features() & (wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16)
    }

    /// What an open device does.
    pub fn of(instance: &wgpu::Instance, adapter: &wgpu::Adapter, device: &wgpu::Device) -> Self {
        let size = adapter.get_info().subgroup_min_size.min(MOST);
        let is_useful = size > 1 && platform::has_subgroups(device);
        let packed_dot = wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct;
        Self {
            neighbours: is_useful.then(|| 1 << size.ilog2()),
            packed_dot: instance.wgsl_language_features().contains(packed_dot),
            halves: device.features().contains(wgpu::Features::SHADER_F16),
        }
    }
}
