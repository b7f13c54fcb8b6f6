//! How fast the GPU reads memory: the limit of whatever reads more than it computes.

use std::time::{Duration, Instant};

use pollster::block_on;
use wgpu::util::DeviceExt;

/// Read at a time, where one binding may be as large.
const BYTES: u64 = 256 << 20;
/// Reads that are waited for together.
const READS: u32 = 4;
/// How long is measured.
const SPAN: Duration = Duration::from_secs(1);
const KERNEL: &str = "
@group(0) @binding(0) var<storage, read> words: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    var sum = vec4<u32>();
    for (var i = id.x; i < arrayLength(&words); i += 256u * groups.x) {
        sum ^= words[i];
    }
    // Never so; a compiler cannot know.
    if any(sum != vec4<u32>()) {
        sums[0] = sum.x;
    }
}";

/// Bytes per second of the fastest reads, by an adapter like [`tabmind::engine::Gpu`]'s.
pub fn measured() -> f64 {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let power_preference = wgpu::PowerPreference::HighPerformance;
    let options = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
    let adapter = block_on(instance.request_adapter(&options)).unwrap();
    let required_limits = adapter.limits();
    let bytes =
        BYTES.min(required_limits.max_storage_buffer_binding_size).min(required_limits.max_buffer_size);
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
    let (device, queue) = block_on(adapter.request_device(&descriptor)).unwrap();
    let words = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: bytes,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    let usage = wgpu::BufferUsages::STORAGE;
    let sums = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: None,
        contents: &[0; 4],
        usage,
    });
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(KERNEL.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let resources = (0..).zip([words.as_entire_binding(), sums.as_entire_binding()]);
    let entries: Vec<_> =
        resources.map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
    let layout = &pipeline.get_bind_group_layout(0);
    let group =
        device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries });
    let read = || {
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for _ in 0..READS {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            // Enough for every processor to have some.
            pass.dispatch_workgroups(4096, 1, 1);
        }
        queue.submit([encoder.finish()]);
        device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    };
    read();
    let (began, mut best) = (Instant::now(), f64::INFINITY);
    while began.elapsed() < SPAN {
        let start = Instant::now();
        read();
        best = best.min(start.elapsed().as_secs_f64());
    }
    bytes as f64 * f64::from(READS) / best
}
