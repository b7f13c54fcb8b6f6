//! Layers with recurrent state, `ShortConv` and `DeltaNet`; and `Scale`.

use super::program::{Grid, Kernel, Programmer, State, Words};
use crate::error::Result;
use crate::kernels::delta_net::DeltaNet;
use crate::kernels::scale::Scale;
use crate::kernels::short_conv::ShortConv;

/// Invocations of a workgroup.
const LANES: usize = 64;

impl Programmer<'_> {
    /// LFM2's gated convolution.
    pub fn short_conv(&mut self, op: &ShortConv) -> Result<()> {
        let params = Words::default()
            .place(self.arena.place(op.bcx))
            .place(self.arena.place(op.y))
            .u(op.y.width)
            .u(self.vectors.offset(op.kernel));
        let constant = format!("const TAPS: u32 = {}u;", op.taps);
        let sources = [constant.as_str(), wgsl!("short_conv")];
        let x = op.y.width.div_ceil(LANES);
        let kernel = Kernel { label: "short_conv", sources: &sources, x, grid: Grid::Once, params };
        self.push(kernel, Some(State::Recurrent(op.state)))
    }

    /// A learned factor of the whole stream.
    pub fn scale(&mut self, op: &Scale) -> Result<()> {
        let params =
            Words::default().place(self.arena.place(op.x)).u(op.x.width).u(self.vectors.offset(op.by));
        let sources = [wgsl!("scale")];
        let x = op.x.width.div_ceil(LANES);
        self.push(Kernel { label: "scale", sources: &sources, x, grid: Grid::Tokens(1), params }, None)
    }

    /// Qwen 3.5's convolution and recurrence.
    pub fn delta_net(&mut self, op: &DeltaNet) -> Result<()> {
        let activation = wgsl!("activation");
        let qkv = self.arena.place(op.qkv);
        let params = Words::default().place(qkv).u(op.qkv.width).u(self.vectors.offset(op.kernel));
        let constant = format!("const TAPS: u32 = {}u;", op.taps);
        let sources = [constant.as_str(), activation, wgsl!("delta_conv")];
        let x = op.qkv.width.div_ceil(LANES);
        let kernel = Kernel { label: "delta_conv", sources: &sources, x, grid: Grid::Once, params };
        self.push(kernel, Some(State::Recurrent(op.conv_state)))?;
        let params = Words::default()
            .u(qkv.at)
            .u(self.arena.place(op.z).at)
            .u(self.arena.place(op.beta).at)
            .u(self.arena.place(op.alpha).at)
            .u(qkv.stride)
            .place(self.arena.place(op.y))
            .u(op.key_heads)
            .u(self.vectors.offset(op.a))
            .u(self.vectors.offset(op.dt))
            .option(self.vector(op.norm.weight))
            .option(self.vector(op.norm.bias))
            .u(op.norm.centred.into())
            .f(op.norm.eps);
        let constants =
            format!("const KEY_DIM: u32 = {}u;\nconst VALUE_DIM: u32 = {}u;", op.key_dim, op.value_dim);
        let reduce = self.shaders.tuning.reduce();
        let sources = [constants.as_str(), activation, reduce.as_str(), wgsl!("delta_net")];
        let x = op.value_heads;
        let kernel = Kernel { label: "delta_net", sources: &sources, x, grid: Grid::Once, params };
        self.push(kernel, Some(State::Recurrent(op.state)))
    }
}
