//! In a browser. wgpu knows nothing of subgroups here: the worker sees to it that devices have them (`pkg/src/wgpu.ts`).

use js_sys::Reflect;

/// What a kernel with subgroups begins with.
pub const WGSL_DIRECTIVES: &str = "enable subgroups;";

/// Vendor and architecture, which wgpu leaves out: a browser may tell no more.
pub fn told(device: &wgpu::Device) -> Option<String> {
    let info = Reflect::get(device.as_webgpu()?, &"adapterInfo".into()).ok()?;
    let text = |key: &str| Reflect::get(&info, &key.into()).ok()?.as_string();
    let told: Vec<_> = ["vendor", "architecture"].into_iter().filter_map(text).collect();
    Some(told.join(" ").trim().to_owned()).filter(|told| !told.is_empty())
}

/// Whether kernels may use subgroups.
pub fn has_subgroups(device: &wgpu::Device) -> bool {
    device.as_webgpu().is_some_and(|device| device.features().has("subgroups"))
}
