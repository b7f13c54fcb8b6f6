//! One sequence's keys, values and recurrent states.

use super::device::Device;
use super::program::State;
use super::shaders::{Shaders, bind};
use crate::error::Result;
use crate::recording::Recording;

/// Two buffers and the bind group of both.
struct Pair {
    buffers: [wgpu::Buffer; 2],
    group: wgpu::BindGroup,
}

/// What a sequence keeps on the GPU.
pub struct Sequence {
    /// Keys and values, `[context, width]` each, per cache.
    caches: Vec<Pair>,
    /// Recurrent states; the second buffer is not used.
    states: Vec<Pair>,
}

impl Pair {
    fn new(device: &Device, shaders: &Shaders, label: &str, lens: [usize; 2]) -> Result<Self> {
        for len in lens {
            device.check_fits(device.binding_bytes() / (len * 4).max(1), len * 4)?;
        }
        let buffers = lens.map(|len| device.buffer(label, len * 4));
        let [first, second] = &buffers;
        let resources = [first.as_entire_binding(), second.as_entire_binding()];
        let group = bind(device, &shaders.state, &resources);
        Ok(Self { buffers, group })
    }
}

impl Sequence {
    /// Zeroed caches for `context` tokens.
    ///
    /// # Errors
    /// `out_of_memory`
    pub fn new(device: &Device, shaders: &Shaders, recording: &Recording, context: usize) -> Result<Self> {
        let caches = recording.caches.iter().map(|shape| {
            let lens = [context * shape.key_width, context * shape.value_width];
            Pair::new(device, shaders, "keys and values", lens)
        });
        let states = recording.states.iter().map(|&len| Pair::new(device, shaders, "state", [len, 0]));
        Ok(Self { caches: caches.collect::<Result<_>>()?, states: states.collect::<Result<_>>()? })
    }

    /// The bind group of what a kernel needs.
    pub fn group(&self, state: State) -> &wgpu::BindGroup {
        match state {
            State::Cache(index) => &self.caches[index].group,
            State::Recurrent(index) => &self.states[index].group,
        }
    }

    /// Recurrent states become those of a sequence's start.
    pub fn clear_states(&self, encoder: &mut wgpu::CommandEncoder) {
        for pair in &self.states {
            encoder.clear_buffer(&pair.buffers[0], 0, None);
        }
    }

    /// Takes over the first `tokens` positions of `source`'s caches and its recurrent states.
    pub fn copy_from(
        &self,
        source: &Sequence,
        encoder: &mut wgpu::CommandEncoder,
        recording: &Recording,
        tokens: usize,
    ) {
        let mut copy = |from: &wgpu::Buffer, to: &wgpu::Buffer, len: usize| {
            encoder.copy_buffer_to_buffer(from, 0, to, 0, Some(len as u64 * 4));
        };
        for ((to, from), shape) in self.caches.iter().zip(&source.caches).zip(&recording.caches) {
            copy(&from.buffers[0], &to.buffers[0], tokens * shape.key_width);
            copy(&from.buffers[1], &to.buffers[1], tokens * shape.value_width);
        }
        for ((to, from), &len) in self.states.iter().zip(&source.states).zip(&recording.states) {
            copy(&from.buffers[0], &to.buffers[0], len);
        }
    }

    /// Gives the memory back at once.
    pub fn free(&self, device: &Device) {
        self.caches
            .iter()
            .chain(&self.states)
            .flat_map(|pair| &pair.buffers)
            .for_each(|buffer| device.free(buffer));
    }
}
