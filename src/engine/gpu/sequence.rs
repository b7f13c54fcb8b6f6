//! One sequence's keys, values and recurrent states.

use super::attention::padded;
use super::device::Device;
use super::program::State;
use super::shaders::{Shaders, bind};
use crate::error::Result;
use crate::recording::{CacheShape, Recording};

/// Two buffers and the bind group of both.
struct Pair {
    buffers: [wgpu::Buffer; 2],
    group: wgpu::BindGroup,
}

/// Bytes that one position's keys and values take: heads in whole fours, of 32 bits or of 16.
fn bytes_per_position(shape: &CacheShape, halves: bool) -> [usize; 2] {
    let element = if halves { 2 } else { 4 };
    [shape.key_width, shape.value_width]
        .map(|width| shape.heads * padded(width / shape.heads.max(1)) * element)
}

/// What a sequence keeps on the GPU.
pub struct Sequence {
    /// Keys and values, `[context, kv_heads, dimensions]` each, per cache.
    caches: Vec<Pair>,
    /// Recurrent states; the second buffer is not used.
    states: Vec<Pair>,
    halves: bool,
}

impl Pair {
    fn new(device: &Device, shaders: &Shaders, label: &str, bytes: [usize; 2]) -> Result<Self> {
        for bytes in bytes {
            device.check_fits(device.binding_bytes() / bytes.max(1), bytes)?;
        }
        let buffers = bytes.map(|bytes| device.buffer(label, bytes));
        let [first, second] = &buffers;
        let resources = [first.as_entire_binding(), second.as_entire_binding()];
        let group = bind(device, &shaders.state, &resources);
        Ok(Self { buffers, group })
    }
}

impl Sequence {
    /// Holds nothing yet; keys and values will be in 16 bits if `halves`.
    pub fn new(halves: bool) -> Self {
        Self { caches: Vec::new(), states: Vec::new(), halves }
    }

    /// Zeroed caches for `context` tokens. Where they are not to be had, what was had of them is still there to be freed.
    ///
    /// # Errors
    /// `out_of_memory`
    pub fn allocate(
        &mut self,
        device: &Device,
        shaders: &Shaders,
        recording: &Recording,
        context: usize,
    ) -> Result<()> {
        for shape in &recording.caches {
            let bytes = bytes_per_position(shape, self.halves).map(|bytes| context * bytes);
            self.caches.push(Pair::new(device, shaders, "keys and values", bytes)?);
        }
        for &len in &recording.states {
            self.states.push(Pair::new(device, shaders, "state", [len * 4, 0])?);
        }
        Ok(())
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
        let mut copy = |from: &wgpu::Buffer, to: &wgpu::Buffer, bytes: usize| {
            encoder.copy_buffer_to_buffer(from, 0, to, 0, Some(bytes as u64));
        };
        for ((to, from), shape) in self.caches.iter().zip(&source.caches).zip(&recording.caches) {
            let [keys, values] = bytes_per_position(shape, self.halves);
            copy(&from.buffers[0], &to.buffers[0], tokens * keys);
            copy(&from.buffers[1], &to.buffers[1], tokens * values);
        }
        for ((to, from), &len) in self.states.iter().zip(&source.states).zip(&recording.states) {
            copy(&from.buffers[0], &to.buffers[0], len * 4);
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
