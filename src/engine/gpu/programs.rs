//! All that an engine dispatches, as its device is tuned.

use super::arena::Arena;
use super::device::Device;
use super::program::{Programmer, Step};
use super::shaders::Shaders;
use super::stores::Stores;
use super::vectors::Vectors;
use crate::error::Result;
use crate::kernels::norm::NormMode;
use crate::recording::{Op, Recording};

/// Lists of dispatches.
pub struct Programs {
    /// What one token's run dispatches.
    pub single: Vec<Step>,
    /// What several tokens' run dispatches.
    pub several: Vec<Step>,
    /// What chooses the likeliest token.
    pub likeliest: Vec<Step>,
    /// What then draws one.
    pub drawn: Vec<Step>,
    /// What belongs to no other.
    buffers: Vec<wgpu::Buffer>,
}

impl Programs {
    /// Those of a recording, whose logits are of `vocab` tokens; caches are in 16 bits if `halves`.
    ///
    /// # Errors
    /// `webgpu_unavailable`
    pub fn new(
        device: &Device,
        shaders: &mut Shaders,
        parts: (&Arena, &Vectors, &Stores),
        (recording, vocab): (&Recording, usize),
        halves: bool,
    ) -> Result<Self> {
        let mut buffers = Vec::new();
        let mut program = |single, write: &dyn Fn(&mut Programmer<'_>) -> Result<()>| {
            let mut programmer = Programmer::new(device, shaders, parts, single, halves);
            write(&mut programmer)?;
            let (steps, own) = programmer.finish();
            buffers.extend(own);
            Ok(steps)
        };
        let all = |p: &mut Programmer<'_>| recording.ops.iter().try_for_each(|op| record(p, op));
        let single = program(true, &all)?;
        let several = program(false, &all)?;
        let likeliest = program(true, &|p| p.choice("argmax", wgsl!("argmax"), vocab))?;
        let drawn = program(true, &|p| p.choice("draw", wgsl!("draw"), vocab))?;
        Ok(Self { single, several, likeliest, drawn, buffers })
    }

    /// Gives the memory back.
    pub fn free(self, device: &Device) {
        self.buffers.iter().for_each(|buffer| device.free(buffer));
    }
}

/// Appends an op's dispatches.
fn record(p: &mut Programmer<'_>, op: &Op) -> Result<()> {
    match op {
        Op::Embed(op) => p.embed(op),
        Op::Linear(op) => p.linear(op),
        Op::Logits(op) => p.logits(op),
        Op::Experts(op) => p.experts(op),
        Op::Attention(op) => p.attention(op),
        Op::ShortConv(op) => p.short_conv(op),
        Op::DeltaNet(op) => p.delta_net(op),
        Op::Scale(op) => p.scale(op),
        Op::Norm(op) => {
            let places = (p.arena.place(op.x), p.arena.place(op.y));
            let add = match op.mode {
                NormMode::Store => None,
                NormMode::Add(scale) => Some(scale),
            };
            p.norm(&op.norm, places, (op.x.width, op.group), add)
        }
    }
}
