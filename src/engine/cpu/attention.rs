//! Attention: prepared queries, keys and values written to the cache, then one pass over the visible positions per head.

use super::linear::normalise;
use super::math::{add_scaled4, dot, softmax};
use crate::kernels::activation::sigmoid;
use crate::kernels::attention::Attention;
use crate::kernels::memory::Memory;
use crate::kernels::norm::NormParams;
use crate::recording::{RopeTable, View};

/// cos and sin of every pair, for every rope and token of the batch: computed once, used by all layers.
#[derive(Default)]
pub struct RopeAngles {
    /// Per rope: `[tokens, pairs]` of (cos, sin).
    tables: Vec<Vec<(f32, f32)>>,
}

impl RopeAngles {
    /// Computes the angles of positions `position .. position + tokens`.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "angles in f64, values in f32"
    )]
    pub fn update(&mut self, ropes: &[RopeTable], position: usize, tokens: usize) {
        self.tables.resize_with(ropes.len(), Vec::new);
        for (table, rope) in self.tables.iter_mut().zip(ropes) {
            table.clear();
            for p in position..position + tokens {
                table.extend(rope.frequencies.iter().map(|frequency| {
                    let (sin, cos) = (p as f64 * frequency).sin_cos();
                    (cos as f32 * rope.scale, sin as f32 * rope.scale)
                }));
            }
        }
    }

    fn rotate(&self, rope: usize, tokens: usize, t: usize, head: &mut [f32]) {
        let pairs = self.tables[rope].len() / tokens;
        let angles = &self.tables[rope][t * pairs..][..pairs];
        let (low, high) = head[..2 * pairs].split_at_mut(pairs);
        for ((a, b), (cos, sin)) in low.iter_mut().zip(high).zip(angles) {
            (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
        }
    }
}

/// Runs an `Attention`.
pub fn run(op: &Attention, m: &mut Memory, angles: &RopeAngles) {
    let tokens = m.tokens.len();
    let mut scratch = std::mem::take(&mut m.logits); // not in use before the last op
    for t in 0..tokens {
        prepare(op, m, angles, t, op.q, op.q_norm, &mut scratch);
        if let Some((k, v)) = op.kv {
            prepare(op, m, angles, t, k, op.k_norm, &mut scratch);
            if let Some(norm) = op.v_norm {
                let mut values = m.row(v, t);
                values.chunks_exact_mut(op.value_dim).for_each(|head| normalise(m, &norm, head));
                m.slice_mut(v, t).copy_from_slice(&values);
            }
            append(op, m, t, k, v);
        }
    }
    for t in 0..tokens {
        for group in 0..op.kv_heads {
            attend(op, m, t, group, &mut scratch);
        }
        if let Some(gate) = op.gate {
            let gate = m.row(gate, t);
            m.slice_mut(op.y, t).iter_mut().zip(gate).for_each(|(y, g)| *y *= sigmoid(g));
        }
    }
    m.logits = scratch;
}

/// Norm and rotation of one token's heads, in place.
fn prepare(
    op: &Attention,
    m: &mut Memory,
    angles: &RopeAngles,
    t: usize,
    view: View,
    norm: Option<NormParams>,
    scratch: &mut Vec<f32>,
) {
    if norm.is_none() && op.rope.is_none() {
        return;
    }
    scratch.clear();
    scratch.extend_from_slice(m.slice(view, t));
    for head in scratch.chunks_exact_mut(op.key_dim) {
        if let Some(norm) = &norm {
            normalise(m, norm, head);
        }
        if let Some(rope) = op.rope {
            angles.rotate(rope, m.tokens.len(), t, head);
        }
    }
    m.slice_mut(view, t).copy_from_slice(scratch);
}

fn append(op: &Attention, m: &mut Memory, t: usize, k: View, v: View) {
    let position = m.position + t;
    let mut cache = std::mem::take(&mut m.sequence.caches[op.cache]);
    cache.keys[position * k.width..][..k.width].copy_from_slice(m.slice(k, t));
    cache.values[position * v.width..][..v.width].copy_from_slice(m.slice(v, t));
    m.sequence.caches[op.cache] = cache;
}

/// The query heads of one token that share the key-value head `group`: each key and value is fetched once for all of them.
fn attend(op: &Attention, m: &mut Memory, t: usize, group: usize, weights: &mut Vec<f32>) {
    let position = m.position + t;
    let first = op.first_visible(position);
    let visible = position + 1 - first;
    let sharing = op.heads / op.kv_heads;
    let cache = &m.sequence.caches[op.cache];
    let queries = op.q.slice(group * sharing * op.key_dim, sharing * op.key_dim);
    let scale = op.scale * op.temperature.map_or(1.0, |temperature| temperature.at(position));
    weights.clear();
    weights.resize(sharing * visible, 0.0);
    let key_stride = op.kv_heads * op.key_dim;
    let keys = cache.keys[first * key_stride..(position + 1) * key_stride].chunks_exact(key_stride);
    for (s, key) in keys.enumerate() {
        let key = &key[group * op.key_dim..][..op.key_dim];
        for (head, q) in m.slice(queries, t).chunks_exact(op.key_dim).enumerate() {
            weights[head * visible + s] = dot(q, key) * scale;
        }
    }
    for weights in weights.chunks_exact_mut(visible) {
        if let Some(cap) = op.softcap {
            weights.iter_mut().for_each(|score| *score = cap * (*score / cap).tanh());
        }
        softmax(weights);
    }
    let y = op.y.slice(group * sharing * op.value_dim, sharing * op.value_dim);
    let start = t * m.widths[y.buf.0] + y.offset;
    let y = &mut m.buffers[y.buf.0][start..start + y.width];
    let value_stride = op.kv_heads * op.value_dim;
    let values = &cache.values[first * value_stride..(position + 1) * value_stride];
    sum_values(y, op.value_dim, weights, values, value_stride, group * op.value_dim);
}

/// `y[head] = Σ_s weights[head, s] · values[s, offset ..]`, four positions at a time.
fn sum_values(y: &mut [f32], dim: usize, weights: &[f32], values: &[f32], stride: usize, offset: usize) {
    y.fill(0.0);
    let visible = values.len() / stride;
    let row = |s: usize| &values[s * stride + offset..][..dim];
    for s in (0..visible).step_by(4) {
        let count = (visible - s).min(4);
        // Past the end a row counts nothing.
        let rows = std::array::from_fn(|i| row(s + i.min(count - 1)));
        for (y, weights) in y.chunks_exact_mut(dim).zip(weights.chunks_exact(visible)) {
            let w = std::array::from_fn(|i| if i < count { weights[s + i] } else { 0.0 });
            add_scaled4(y, w, rows);
        }
    }
}
