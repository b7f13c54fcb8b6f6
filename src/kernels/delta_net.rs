//! Gated delta net, the linear attention of Qwen 3.5.
//!
//! Per value head, with a state S `[key_dim, value_dim]` and k, q of unit length:
//! `S ← e^g · S;  S ← S + k ⊗ (β · (v − Sᵀk));  o = Sᵀq / √key_dim`, where `g = a · softplus(α + dt)`, `β = sigmoid(β_raw)`.
//! q, k, v come out of a causal depthwise convolution with SiLU; `y = rms_norm(o) · silu(z)`.
//! Source: Yang et al., Gated Delta Networks, 2024.

use super::activation::{Activation, sigmoid, softplus};
use super::memory::{Memory, dot};
use super::norm::NormParams;
use crate::recording::{VectorId, View};

/// Keeps the length of q and k away from zero.
pub const L2_EPS: f32 = 1e-6;

/// One layer's recurrence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeltaNet {
    /// `[tokens, 2 · key_heads · key_dim + value_heads · value_dim]`: q, k, v before the convolution.
    pub qkv: View,
    /// `[tokens, value_heads · value_dim]`: the output gate.
    pub z: View,
    /// `[tokens, value_heads]`: raw β.
    pub beta: View,
    /// `[tokens, value_heads]`: raw decay α.
    pub alpha: View,
    /// `[channels, taps]`
    pub kernel: VectorId,
    /// Taps of the convolution.
    pub taps: usize,
    /// `[value_heads]`, negative: `−exp(A_log)`.
    pub a: VectorId,
    /// `[value_heads]`
    pub dt: VectorId,
    /// Norm of each value head's output, `[value_dim]`.
    pub norm: NormParams,
    /// Key heads; value head j uses key head `j mod key_heads`.
    pub key_heads: usize,
    /// Value heads.
    pub value_heads: usize,
    /// Dimensions of a key head.
    pub key_dim: usize,
    /// Dimensions of a value head.
    pub value_dim: usize,
    /// Recurrent state, `[taps − 1, channels]`: the last inputs of the convolution, oldest first.
    pub conv_state: usize,
    /// Recurrent state, `[value_heads, key_dim, value_dim]`.
    pub state: usize,
    /// `[tokens, value_heads · value_dim]`
    pub y: View,
}

impl DeltaNet {
    /// The naive twin.
    pub fn naive(&self, m: &mut Memory) {
        for t in 0..m.tokens.len() {
            let qkv = self.convolve(m, t);
            let keys = self.key_heads * self.key_dim;
            let (q, rest) = qkv.split_at(keys);
            let (k, v) = rest.split_at(keys);
            for head in 0..self.value_heads {
                let at = (head % self.key_heads) * self.key_dim;
                let q = unit(&q[at..at + self.key_dim]);
                let k = unit(&k[at..at + self.key_dim]);
                let v = &v[head * self.value_dim..][..self.value_dim];
                let out = self.head(m, t, head, &q, &k, v);
                m.slice_mut(self.y.slice(head * self.value_dim, self.value_dim), t).copy_from_slice(&out);
            }
        }
    }

    fn convolve(&self, m: &mut Memory, t: usize) -> Vec<f32> {
        let channels = self.qkv.width;
        let mut seen = m.sequence.states[self.conv_state].clone();
        seen.extend_from_slice(m.slice(self.qkv, t));
        let kernel = m.vector(self.kernel);
        let out = (0..channels)
            .map(|c| (0..self.taps).map(|j| kernel[c * self.taps + j] * seen[j * channels + c]).sum())
            .map(|sum| Activation::Silu.apply(sum))
            .collect();
        m.sequence.states[self.conv_state].copy_from_slice(&seen[channels..]);
        out
    }

    #[allow(clippy::cast_precision_loss, reason = "a head has few dimensions")]
    fn head(&self, m: &mut Memory, t: usize, head: usize, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
        let beta = sigmoid(m.slice(self.beta, t)[head]);
        let rate = softplus(m.slice(self.alpha, t)[head] + m.vector(self.dt)[head]);
        let decay = (m.vector(self.a)[head] * rate).exp();
        let z = m.row(self.z.slice(head * self.value_dim, self.value_dim), t);
        let size = self.key_dim * self.value_dim;
        let state = &mut m.sequence.states[self.state][head * size..][..size];
        state.iter_mut().for_each(|s| *s *= decay);
        let column = |state: &[f32], j: usize| -> Vec<f32> {
            state.iter().skip(j).step_by(self.value_dim).copied().collect()
        };
        for j in 0..self.value_dim {
            let delta = beta * (v[j] - dot(&column(state, j), k));
            k.iter().enumerate().for_each(|(i, k)| state[i * self.value_dim + j] += k * delta);
        }
        let scale = 1.0 / (self.key_dim as f32).sqrt();
        let mut out: Vec<f32> = (0..self.value_dim).map(|j| dot(&column(state, j), q) * scale).collect();
        self.norm.naive(m, &mut out);
        out.iter_mut().zip(z).for_each(|(out, z)| *out *= Activation::Silu.apply(z));
        out
    }
}

/// `x` scaled to unit length.
fn unit(x: &[f32]) -> Vec<f32> {
    let scale = 1.0 / (dot(x, x) + L2_EPS).sqrt();
    x.iter().map(|v| v * scale).collect()
}
