//! RMSNorm and LayerNorm over groups of `group` columns.
//!
//! RMS: `n = x · rsqrt(mean(x²) + eps) · weight`; layer: `n = (x − mean) · rsqrt(var + eps) · weight + bias`;
//! then `y = n`, or `y = y + scale · n`.

use super::memory::Memory;
use crate::recording::{VectorId, View};

/// What is computed over a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormParams {
    /// Subtract the mean (LayerNorm) or not (RMSNorm).
    pub centred: bool,
    /// Added to the variance.
    pub eps: f32,
    /// `[group]`, 1 if absent.
    pub weight: Option<VectorId>,
    /// `[group]`, 0 if absent.
    pub bias: Option<VectorId>,
}

/// Where a norm's result goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NormMode {
    /// `y = n`
    Store,
    /// `y = y + scale · n`
    Add(f32),
}

/// A norm on its own: post-norms, and norms that span more than a fused op sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norm {
    /// `[tokens, width]`
    pub x: View,
    /// Columns normalised together; divides the width. The same weights serve every group.
    pub group: usize,
    /// The norm.
    pub norm: NormParams,
    /// `[tokens, width]`; may be `x`.
    pub y: View,
    /// Store or add.
    pub mode: NormMode,
}

impl NormParams {
    /// Normalises `x` in place.
    #[allow(clippy::cast_precision_loss, reason = "widths are far below 2^24")]
    pub fn naive(&self, m: &Memory, x: &mut [f32]) {
        let n = x.len() as f32;
        if self.centred {
            let mean = x.iter().sum::<f32>() / n;
            x.iter_mut().for_each(|v| *v -= mean);
        }
        let scale = 1.0 / (x.iter().map(|v| v * v).sum::<f32>() / n + self.eps).sqrt();
        for (i, v) in x.iter_mut().enumerate() {
            *v *= scale * self.weight.map_or(1.0, |id| m.vector(id)[i]);
            *v += self.bias.map_or(0.0, |id| m.vector(id)[i]);
        }
    }
}

impl Norm {
    /// The naive twin.
    pub fn naive(&self, m: &mut Memory) {
        for t in 0..m.tokens.len() {
            let mut x = m.row(self.x, t);
            x.chunks_exact_mut(self.group).for_each(|group| self.norm.naive(m, group));
            for (y, n) in m.slice_mut(self.y, t).iter_mut().zip(x) {
                *y = match self.mode {
                    NormMode::Store => n,
                    NormMode::Add(scale) => *y + scale * n,
                };
            }
        }
    }
}
