//! LFM2's gated short convolution: `y[t, c] = C[t, c] · Σ_j kernel[c, j] · (B · x)[t − taps + 1 + j, c]`.
//!
//! Source: Liquid AI, LFM2 technical report, 2025.

use super::memory::Memory;
use crate::recording::{VectorId, View};

/// A causal depthwise convolution between two elementwise gates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShortConv {
    /// `[tokens, 3 · channels]`: B, C, x.
    pub bcx: View,
    /// `[channels, taps]`
    pub kernel: VectorId,
    /// Taps of the convolution.
    pub taps: usize,
    /// Recurrent state, `[taps − 1, channels]`: the last products `B · x`, oldest first.
    pub state: usize,
    /// `[tokens, channels]`
    pub y: View,
}

impl ShortConv {
    /// The naive twin.
    pub fn naive(&self, m: &mut Memory) {
        let channels = self.y.width;
        for t in 0..m.tokens.len() {
            let bcx = m.row(self.bcx, t);
            let (b, rest) = bcx.split_at(channels);
            let (c, x) = rest.split_at(channels);
            let mut seen = m.sequence.states[self.state].clone();
            seen.extend(b.iter().zip(x).map(|(b, x)| b * x));
            let kernel = m.vector(self.kernel).to_vec();
            for channel in 0..channels {
                let sum: f32 = (0..self.taps)
                    .map(|j| kernel[channel * self.taps + j] * seen[j * channels + channel])
                    .sum();
                m.slice_mut(self.y, t)[channel] = c[channel] * sum;
            }
            m.sequence.states[self.state].copy_from_slice(&seen[channels..]);
        }
    }
}
