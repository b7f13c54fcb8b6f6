//! Attention: prepared queries, keys and values written to the cache, then one pass over the visible positions per head.

use super::linear::{each_token, normalise};
use super::math::{add_scaled4, dot, softmax};
use super::team::{Parts, Team};
use crate::kernels::activation::sigmoid;
use crate::kernels::attention::Attention;
use crate::kernels::memory::{Cache, Memory};
use crate::kernels::norm::NormParams;
use crate::recording::RopeTable;

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

/// Runs attention; what it needs for that is kept from one run to the next.
#[derive(Default)]
pub struct Attender {
    /// Angles of the batch.
    pub angles: RopeAngles,
    /// `[tokens, heads · key_dim]`: queries, normalised and rotated.
    queries: Vec<f32>,
    /// Per thread: `[heads that share a key, visible]`.
    scores: Vec<Vec<f32>>,
}

impl Attender {
    /// Makes room for scores over `context` positions, `heads` at a time, on each thread.
    pub fn reserve(&mut self, team: &Team, heads: usize, context: usize) {
        self.scores.resize_with(team.size(), Vec::new);
        self.scores.iter_mut().for_each(|scores| scores.reserve(heads * context));
    }

    /// Runs an `Attention`.
    pub fn run(&mut self, op: &Attention, team: &Team, m: &mut Memory) {
        let tokens = m.tokens.len();
        let mut cache = std::mem::take(&mut m.sequence.caches[op.cache]);
        self.prepare(op, team, m, &mut cache);

        let mut y = std::mem::take(&mut m.buffers[op.y.buf.0]);
        let width = m.widths[op.y.buf.0];
        let (out, scores) = (Parts::of(&mut y), Parts::of(&mut self.scores));
        team.split(tokens * op.kv_heads, &|piece, thread| {
            let (t, group) = (piece / op.kv_heads, piece % op.kv_heads);
            let sharing = op.heads / op.kv_heads;
            let queries =
                &self.queries[(t * op.heads + group * sharing) * op.key_dim..][..sharing * op.key_dim];
            let len = sharing * op.value_dim;
            // SAFETY: a thread has its own scores, and a token's heads are in one piece only.
            let (scores, y) = unsafe {
                (&mut scores.get(thread, 1)[0], out.get(t * width + op.y.offset + group * len, len))
            };
            attend(op, &cache, m.position + t, group, queries, scores, y);
        });
        m.buffers[op.y.buf.0] = y;
        m.sequence.caches[op.cache] = cache;
        if let Some(gate) = op.gate {
            for t in 0..tokens {
                apply_gate(m, op, gate, t);
            }
        }
    }

    /// Norm and rotation of the batch's queries and keys; keys and values go to the cache.
    fn prepare(&mut self, op: &Attention, team: &Team, m: &Memory, cache: &mut Cache) {
        let tokens = m.tokens.len();
        let (key_width, value_width) = (op.kv_heads * op.key_dim, op.kv_heads * op.value_dim);
        self.queries.resize(tokens * op.q.width, 0.0);
        let angles = &self.angles;
        let head = |head: &mut [f32], norm: Option<NormParams>, t: usize| {
            if let Some(norm) = &norm {
                normalise(m, norm, head);
            }
            if let Some(rope) = op.rope {
                angles.rotate(rope, tokens, t, head);
            }
        };
        let queries = Parts::of(&mut self.queries);
        let (keys, values) = (Parts::of(&mut cache.keys), Parts::of(&mut cache.values));
        each_token(team, tokens, &|t| {
            // SAFETY: a token is in one piece only.
            let row = unsafe { queries.get(t * op.q.width, op.q.width) };
            row.copy_from_slice(m.slice(op.q, t));
            row.chunks_exact_mut(op.key_dim).for_each(|query| head(query, op.q_norm, t));
            let Some((k, v)) = op.kv else { return };
            let position = m.position + t;
            // SAFETY: a token's position is its own.
            let row = unsafe { keys.get(position * key_width, key_width) };
            row.copy_from_slice(m.slice(k, t));
            row.chunks_exact_mut(op.key_dim).for_each(|key| head(key, op.k_norm, t));
            // SAFETY: as above.
            let row = unsafe { values.get(position * value_width, value_width) };
            row.copy_from_slice(m.slice(v, t));
            if let Some(norm) = &op.v_norm {
                row.chunks_exact_mut(op.value_dim).for_each(|value| normalise(m, norm, value));
            }
        });
    }
}

/// `y = y · sigmoid(gate)`
fn apply_gate(m: &mut Memory, op: &Attention, gate: crate::recording::View, t: usize) {
    let mut y = std::mem::take(&mut m.buffers[op.y.buf.0]);
    let width = m.widths[op.y.buf.0];
    let row = &mut y[t * width..][..width];
    for i in 0..op.y.width {
        let g = if gate.buf == op.y.buf { row[gate.offset + i] } else { m.slice(gate, t)[i] };
        row[op.y.offset + i] *= sigmoid(g);
    }
    m.buffers[op.y.buf.0] = y;
}

/// The query heads of one token that share the key-value head `group`: each key and value is fetched once for all of them.
fn attend(
    op: &Attention,
    cache: &Cache,
    position: usize,
    group: usize,
    queries: &[f32],
    weights: &mut Vec<f32>,
    y: &mut [f32],
) {
    let first = op.first_visible(position);
    let visible = position + 1 - first;
    let scale = op.scale * op.temperature.map_or(1.0, |temperature| temperature.at(position));
    weights.clear();
    weights.resize(op.heads / op.kv_heads * visible, 0.0);
    let key_stride = op.kv_heads * op.key_dim;
    let keys = cache.keys[first * key_stride..(position + 1) * key_stride].chunks_exact(key_stride);
    for (s, key) in keys.enumerate() {
        let key = &key[group * op.key_dim..][..op.key_dim];
        for (head, query) in queries.chunks_exact(op.key_dim).enumerate() {
            weights[head * visible + s] = dot(query, key) * scale;
        }
    }
    for weights in weights.chunks_exact_mut(visible) {
        if let Some(cap) = op.softcap {
            weights.iter_mut().for_each(|score| *score = cap * (*score / cap).tanh());
        }
        softmax(weights);
    }
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
