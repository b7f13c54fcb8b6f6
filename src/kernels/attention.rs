//! `y[t, h, :] = Σ_s softmax_s(cap(scale · q[t, h] · k[s, g])) · v[s, g, :]`, g the key-value head of h,
//! over the positions s that token t may see: itself and those before it, `window` of them at most.
//!
//! Before that q and k get their optional per-head norm, then RoPE; k and v are appended to the cache.
//! Source: Vaswani et al. 2017; grouped heads: Ainslie et al. 2023; RoPE: Su et al. 2021.

use super::activation::{sigmoid, softmax};
use super::memory::{Memory, dot};
use super::norm::NormParams;
use crate::recording::View;

/// Multiplies queries by `1 + factor · ln(1 + floor(position / length))` (Llama 4, Ministral 3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueryTemperature {
    /// Slope.
    pub factor: f32,
    /// Positions per step.
    pub length: usize,
}

/// Causal attention with a key-value cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// `[tokens, heads · key_dim]`; scratch, may be overwritten.
    pub q: View,
    /// `[tokens, kv_heads · key_dim]` and `[tokens, kv_heads · value_dim]`; absent where another layer's cache is read.
    pub kv: Option<(View, View)>,
    /// `[tokens, heads · value_dim]`
    pub y: View,
    /// `[tokens, heads · value_dim]`: `y` is multiplied by its sigmoid.
    pub gate: Option<View>,
    /// Index of the cache, `[context, kv_heads · dim]`.
    pub cache: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; divides `heads`.
    pub kv_heads: usize,
    /// Dimensions of a query or key head.
    pub key_dim: usize,
    /// Dimensions of a value head.
    pub value_dim: usize,
    /// Per-head norm of queries, `[key_dim]`.
    pub q_norm: Option<NormParams>,
    /// Per-head norm of keys, `[key_dim]`.
    pub k_norm: Option<NormParams>,
    /// Per-head norm of values, `[value_dim]`.
    pub v_norm: Option<NormParams>,
    /// Rotary table.
    pub rope: Option<usize>,
    /// Factor of the scores.
    pub scale: f32,
    /// Soft cap of the scores.
    pub softcap: Option<f32>,
    /// A token sees this many positions at most, itself included.
    pub window: Option<usize>,
    /// Position-dependent factor of the queries.
    pub temperature: Option<QueryTemperature>,
}

impl QueryTemperature {
    /// The factor at `position`.
    #[allow(clippy::cast_precision_loss, reason = "positions are far below 2^24")]
    pub fn at(&self, position: usize) -> f32 {
        1.0 + self.factor * ((1 + position / self.length) as f32).ln()
    }
}

impl Attention {
    /// First position that a token at `position` sees.
    pub fn first_visible(&self, position: usize) -> usize {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window))
    }

    /// The naive twin.
    pub fn naive(&self, m: &mut Memory) {
        for t in 0..m.tokens.len() {
            self.append(m, t);
        }
        for t in 0..m.tokens.len() {
            let mut q = m.row(self.q, t);
            q.chunks_exact_mut(self.key_dim).for_each(|head| self.prepare(m, t, self.q_norm, head));
            let position = m.position + t;
            let temperature = self.temperature.map_or(1.0, |temperature| temperature.at(position));
            for (h, q) in q.chunks_exact(self.key_dim).enumerate() {
                let out = self.head(m, h, position, temperature, q);
                let y = self.y.slice(h * self.value_dim, self.value_dim);
                m.slice_mut(y, t).copy_from_slice(&out);
            }
            if let Some(gate) = self.gate {
                let gate = m.row(gate, t);
                m.slice_mut(self.y, t).iter_mut().zip(gate).for_each(|(y, g)| *y *= sigmoid(g));
            }
        }
    }

    fn prepare(&self, m: &Memory, t: usize, norm: Option<NormParams>, head: &mut [f32]) {
        if let Some(norm) = norm {
            norm.naive(m, head);
        }
        if let Some(rope) = self.rope {
            m.rotate(rope, m.position + t, head);
        }
    }

    /// Appends token `t`'s key and value to the cache.
    fn append(&self, m: &mut Memory, t: usize) {
        let Some((k, v)) = self.kv else { return };
        let (mut k, mut v) = (m.row(k, t), m.row(v, t));
        k.chunks_exact_mut(self.key_dim).for_each(|head| self.prepare(m, t, self.k_norm, head));
        if let Some(norm) = self.v_norm {
            v.chunks_exact_mut(self.value_dim).for_each(|head| norm.naive(m, head));
        }
        let position = m.position + t;
        let cache = &mut m.sequence.caches[self.cache];
        cache.keys[position * k.len()..][..k.len()].copy_from_slice(&k);
        cache.values[position * v.len()..][..v.len()].copy_from_slice(&v);
    }

    /// One head's output.
    fn head(&self, m: &Memory, h: usize, position: usize, temperature: f32, q: &[f32]) -> Vec<f32> {
        let cache = &m.sequence.caches[self.cache];
        let g = h / (self.heads / self.kv_heads);
        let visible = self.first_visible(position)..=position;
        let key = |s: usize| &cache.keys[(s * self.kv_heads + g) * self.key_dim..][..self.key_dim];
        let value = |s: usize| &cache.values[(s * self.kv_heads + g) * self.value_dim..][..self.value_dim];
        let score = |s: usize| {
            let score = dot(q, key(s)) * temperature * self.scale;
            self.softcap.map_or(score, |cap| cap * (score / cap).tanh())
        };
        let mut weights: Vec<f32> = visible.clone().map(score).collect();
        softmax(&mut weights);
        let mut out = vec![0.0; self.value_dim];
        for (s, weight) in visible.zip(weights) {
            out.iter_mut().zip(value(s)).for_each(|(out, v)| *out += weight * v);
        }
        out
    }
}
