//! Kernels: WGSL with its preludes, compiled once per text.

use std::collections::HashMap;

use super::device::Device;
use super::tuning::Tuning;

/// What a kernel is bound to, beside the run itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bindings {
    /// Parameters.
    Plain,
    /// Parameters, quants and scales.
    Weights,
    /// The same, and many rounded tokens.
    Rounded,
    /// Parameters, and where tokens go that are rounded.
    Rounding,
    /// Parameters, and two buffers of the sequence: keys and values, or recurrent states.
    State,
}

/// Layouts of bind groups and pipelines, and all pipelines so far.
pub struct Shaders {
    /// How programs compose kernels.
    pub tuning: Tuning,
    /// Group 0: activations, vectors, the run, token ids.
    pub run: wgpu::BindGroupLayout,
    /// Group 1 of `Plain` and `State`.
    pub plain: wgpu::BindGroupLayout,
    /// Group 1 of `Weights`.
    pub weights: wgpu::BindGroupLayout,
    /// Group 1 of `Rounded`.
    pub rounded: wgpu::BindGroupLayout,
    /// Group 1 of `Rounding`.
    pub rounding: wgpu::BindGroupLayout,
    /// Group 2 of `State`.
    pub state: wgpu::BindGroupLayout,
    layouts: HashMap<Bindings, wgpu::PipelineLayout>,
    known: HashMap<String, usize>,
    pipelines: Vec<wgpu::ComputePipeline>,
}

const RUN: &str = wgsl!("run");

fn group_layout(device: &wgpu::Device, types: &[wgpu::BufferBindingType]) -> wgpu::BindGroupLayout {
    let entry = |(binding, &ty)| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let entries: Vec<_> = (0..).zip(types).map(entry).collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries })
}

impl Shaders {
    /// No kernels yet.
    pub fn new(device: &wgpu::Device, tuning: Tuning) -> Self {
        use wgpu::BufferBindingType::{Storage, Uniform};
        let (read, write) = (Storage { read_only: true }, Storage { read_only: false });
        let run = group_layout(device, &[write, read, Uniform, read]);
        let plain = group_layout(device, &[Uniform]);
        let weights = group_layout(device, &[Uniform, read, read]);
        let rounded = group_layout(device, &[Uniform, read, read, read]);
        let rounding = group_layout(device, &[Uniform, write]);
        let state = group_layout(device, &[write, write]);
        let layout = |groups: &[&wgpu::BindGroupLayout]| {
            let groups: Vec<_> = groups.iter().map(|&group| Some(group)).collect();
            device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &groups,
                immediate_size: 0,
            })
        };
        let layouts = [
            (Bindings::Plain, layout(&[&run, &plain])),
            (Bindings::Weights, layout(&[&run, &weights])),
            (Bindings::Rounded, layout(&[&run, &rounded])),
            (Bindings::Rounding, layout(&[&run, &rounding])),
            (Bindings::State, layout(&[&run, &plain, &state])),
        ];
        let layouts = layouts.into_iter().collect();
        let (known, pipelines) = (HashMap::new(), Vec::new());
        Self { tuning, run, plain, weights, rounded, rounding, state, layouts, known, pipelines }
    }

    /// The pipeline of a kernel with its preludes: compiled now, or known already.
    pub fn pipeline(&mut self, device: &Device, bindings: Bindings, label: &str, sources: &[&str]) -> usize {
        let text = [&[self.tuning.directives().as_str(), RUN], sources].concat().join("\n");
        if let Some(&index) = self.known.get(&text) {
            return index;
        }
        device.count_created();
        let module = device.wgpu.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(text.as_str().into()),
        });
        self.pipelines.push(device.wgpu.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: self.layouts.get(&bindings),
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        }));
        self.known.insert(text, self.pipelines.len() - 1);
        self.pipelines.len() - 1
    }

    /// A pipeline by the number that [`pipeline`](Self::pipeline) gave.
    pub fn get(&self, index: usize) -> &wgpu::ComputePipeline {
        &self.pipelines[index]
    }
}

/// A bind group of whole buffers.
pub fn bind(
    device: &Device,
    layout: &wgpu::BindGroupLayout,
    resources: &[wgpu::BindingResource<'_>],
) -> wgpu::BindGroup {
    let resources = (0..).zip(resources.iter().cloned());
    let entries: Vec<_> =
        resources.map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
    device.count_created();
    device.wgpu.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
}
