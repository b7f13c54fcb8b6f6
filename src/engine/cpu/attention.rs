//! Attention: prepared queries, keys and values written to the cache, then one pass over the visible positions per head.

use super::linear::normalise;
use super::project::dot;
use crate::kernels::activation::{sigmoid, softmax};
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
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "angles in f64, values in f32")]
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
        for head in 0..op.heads {
            attend(op, m, t, head, &mut scratch);
        }
        if let Some(gate) = op.gate {
            let gate = m.row(gate, t);
            m.slice_mut(op.y, t).iter_mut().zip(gate).for_each(|(y, g)| *y *= sigmoid(g));
        }
    }
    m.logits = scratch;
}

/// Norm and rotation of one token's heads, in place.
fn prepare(op: &Attention, m: &mut Memory, angles: &RopeAngles, t: usize, view: View, norm: Option<NormParams>, scratch: &mut Vec<f32>) {
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

/// One head of one token.
fn attend(op: &Attention, m: &mut Memory, t: usize, head: usize, weights: &mut Vec<f32>) {
    let position = m.position + t;
    let first = op.first_visible(position);
    let group = head / (op.heads / op.kv_heads);
    let cache = &m.sequence.caches[op.cache];
    let q = m.slice(op.q.slice(head * op.key_dim, op.key_dim), t);
    let scale = op.scale * op.temperature.map_or(1.0, |temperature| temperature.at(position));
    weights.clear();
    weights.extend((first..=position).map(|s| {
        let score = dot(q, &cache.keys[(s * op.kv_heads + group) * op.key_dim..][..op.key_dim]) * scale;
        op.softcap.map_or(score, |cap| cap * (score / cap).tanh())
    }));
    softmax(weights);
    let y = op.y.slice(head * op.value_dim, op.value_dim);
    let start = t * m.widths[y.buf.0] + y.offset;
    let y = &mut m.buffers[y.buf.0][start..start + op.value_dim];
    y.fill(0.0);
    for (s, weight) in (first..).zip(weights.iter()) {
        let value = &cache.values[(s * op.kv_heads + group) * op.value_dim..][..op.value_dim];
        y.iter_mut().zip(value).for_each(|(y, v)| *y += weight * v);
    }
}
