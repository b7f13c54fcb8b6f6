//! Attention: prepared queries, keys and values written to the cache, then one pass over the visible positions per head.

use std::ops::Range;

use super::attend_quantized;
use super::kv_cache::KvCache;
use super::linear::{each_token, normalise};
use super::math::{add_scaled4, dot, softmax};
use super::team::{Parts, Team};
use crate::kernels::activation::sigmoid;
use crate::kernels::attention::Attention;
use crate::kernels::memory::{Cache, Memory};
use crate::kernels::norm::NormParams;
use crate::recording::{Op, RopeTable, View};

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

/// Tokens of a piece over a quantised cache.
const TOKENS: usize = 8;

/// How attention over a quantised cache is divided.
struct Pieces {
    tokens: usize,
    kv_heads: usize,
    sharing: usize,
    /// Parts of the heads that share a key-value head: one, except where the threads could not have as much each.
    parts: usize,
}

/// Some heads that share a key-value head, of a few tokens.
struct Piece {
    tokens: Range<usize>,
    head: usize,
    heads: Range<usize>,
}

impl Pieces {
    fn of(tokens: usize, op: &Attention, threads: usize) -> Self {
        let sharing = op.heads / op.kv_heads;
        let whole = tokens.div_ceil(TOKENS) * op.kv_heads;
        let parts = if whole < 4 * threads && !whole.is_multiple_of(threads) { sharing.min(2) } else { 1 };
        Self { tokens, kv_heads: op.kv_heads, sharing, parts }
    }

    fn count(&self) -> usize {
        self.parts * self.tokens.div_ceil(TOKENS) * self.kv_heads
    }

    /// The larger parts come first.
    fn get(&self, piece: usize) -> Piece {
        let whole = self.count() / self.parts;
        let (part, piece) = (piece / whole, piece % whole);
        let (first, head) = (piece / self.kv_heads * TOKENS, piece % self.kv_heads);
        let bound = |part: usize| head * self.sharing + (self.sharing * part).div_ceil(self.parts);
        Piece { tokens: first..self.tokens.min(first + TOKENS), head, heads: bound(part)..bound(part + 1) }
    }
}

/// Runs attention; what it needs for that is kept from one run to the next.
#[derive(Default)]
pub struct Attender {
    /// Angles of the batch.
    pub angles: RopeAngles,
    /// `[tokens, heads · key_dim]`: queries, normalised and rotated.
    queries: Vec<f32>,
    /// `[tokens, kv_heads · key_dim]`: keys, likewise, on their way to the cache.
    keys: Vec<f32>,
    /// `[tokens, kv_heads · value_dim]`: values, on theirs.
    values: Vec<f32>,
    /// Per thread.
    scratch: Vec<Scratch>,
}

/// What one thread needs.
#[derive(Default)]
struct Scratch {
    /// `[heads that share a key, visible]`
    scores: Vec<f32>,
    quantized: attend_quantized::Scratch,
}

impl Attender {
    /// Makes room for contexts of `context` positions on each thread, so that no later token asks for memory.
    pub fn reserve(&mut self, ops: &[Op], team: &Team, context: usize, quantized: bool) {
        self.scratch.resize_with(team.size(), Scratch::default);
        for op in ops.iter().filter_map(|op| if let Op::Attention(op) = op { Some(op) } else { None }) {
            let sharing = op.heads / op.kv_heads;
            for scratch in &mut self.scratch {
                scratch.scores.reserve(sharing * context);
                if quantized {
                    scratch.quantized.reserve(sharing, op.key_dim, context);
                }
            }
        }
    }

    /// Runs an `Attention`.
    pub fn run(&mut self, op: &Attention, team: &Team, m: &mut Memory, caches: &mut [KvCache]) {
        let tokens = m.tokens.len();
        self.prepare(op, team, m);
        let cache = &mut caches[op.cache];
        if op.kv.is_some() {
            self.append(op, team, m, cache);
        }
        let mut y = std::mem::take(&mut m.buffers[op.y.buf.0]);
        let width = m.widths[op.y.buf.0];
        let (out, scratch) = (Parts::of(&mut y), Parts::of(&mut self.scratch));
        let sharing = op.heads / op.kv_heads;
        let query = |t: usize, heads: Range<usize>| {
            &self.queries[(t * op.heads + heads.start) * op.key_dim..][..heads.len() * op.key_dim]
        };
        let output = |t: usize, heads: Range<usize>| {
            let start = t * width + op.y.offset + heads.start * op.value_dim;
            // SAFETY: a token's head is in one piece only.
            unsafe { out.get(start, heads.len() * op.value_dim) }
        };
        match &*cache {
            KvCache::Plain(cache) => team.split(tokens * op.kv_heads, &|piece, thread| {
                let (t, head) = (piece / op.kv_heads, piece % op.kv_heads);
                // SAFETY: a thread has its own scratch.
                let scratch = unsafe { &mut scratch.get(thread, 1)[0] };
                let heads = head * sharing..(head + 1) * sharing;
                let (query, y) = (query(t, heads.clone()), output(t, heads));
                attend(op, cache, m.position + t, head, query, &mut scratch.scores, y);
            }),
            KvCache::Quantized(cache) => {
                let pieces = Pieces::of(tokens, op, team.size());
                team.split(pieces.count(), &|piece, thread| {
                    let Piece { tokens: here, head, heads } = pieces.get(piece);
                    let (first, count, sharing) = (here.start, here.len(), heads.len());
                    let rows: [&[f32]; TOKENS] =
                        std::array::from_fn(|t| query(first + t.min(count - 1), heads.clone()));
                    let queries = attend_quantized::Queries {
                        position: m.position + first,
                        head,
                        tokens: &rows[..count],
                        sharing,
                    };
                    // SAFETY: a thread has its own scratch.
                    let scratch = unsafe { &mut scratch.get(thread, 1)[0] };
                    let mut outputs: [&mut [f32]; TOKENS] = std::array::from_fn(|t| {
                        if t < count { output(first + t, heads.clone()) } else { &mut [] }
                    });
                    attend_quantized::attend(op, cache, &queries, &mut scratch.quantized, &mut outputs);
                })
            }
        }
        m.buffers[op.y.buf.0] = y;
        if let Some(gate) = op.gate {
            for t in 0..tokens {
                apply_gate(m, op, gate, t);
            }
        }
    }

    /// Norm and rotation of the batch's queries, keys and values.
    fn prepare(&mut self, op: &Attention, team: &Team, m: &Memory) {
        let tokens = m.tokens.len();
        let (key_width, value_width) = (op.kv_heads * op.key_dim, op.kv_heads * op.value_dim);
        self.queries.resize(tokens * op.q.width, 0.0);
        self.keys.resize(tokens * key_width, 0.0);
        self.values.resize(tokens * value_width, 0.0);
        let angles = &self.angles;
        let head = |head: &mut [f32], norm: Option<NormParams>, t: usize| {
            if let Some(norm) = &norm {
                normalise(m, norm, head);
            }
            if let Some(rope) = op.rope {
                angles.rotate(rope, tokens, t, head);
            }
        };
        let (queries, keys, values) =
            (Parts::of(&mut self.queries), Parts::of(&mut self.keys), Parts::of(&mut self.values));
        each_token(team, tokens, &|t| {
            // SAFETY: a token is in one piece only.
            let row = unsafe { queries.get(t * op.q.width, op.q.width) };
            row.copy_from_slice(m.slice(op.q, t));
            row.chunks_exact_mut(op.key_dim).for_each(|query| head(query, op.q_norm, t));
            let Some((k, v)) = op.kv else { return };
            // SAFETY: as above.
            let row = unsafe { keys.get(t * key_width, key_width) };
            row.copy_from_slice(m.slice(k, t));
            row.chunks_exact_mut(op.key_dim).for_each(|key| head(key, op.k_norm, t));
            // SAFETY: as above.
            let row = unsafe { values.get(t * value_width, value_width) };
            row.copy_from_slice(m.slice(v, t));
            if let Some(norm) = &op.v_norm {
                row.chunks_exact_mut(op.value_dim).for_each(|value| normalise(m, norm, value));
            }
        });
    }

    /// Keys and values go to the cache.
    fn append(&self, op: &Attention, team: &Team, m: &Memory, cache: &mut KvCache) {
        match cache {
            KvCache::Plain(cache) => {
                cache.keys[m.position * op.kv_heads * op.key_dim..][..self.keys.len()]
                    .copy_from_slice(&self.keys);
                cache.values[m.position * op.kv_heads * op.value_dim..][..self.values.len()]
                    .copy_from_slice(&self.values);
            }
            KvCache::Quantized(cache) => {
                let writer = cache.writer();
                let put = |head: usize| {
                    let row = |t: usize, dim: usize| {
                        (t * op.kv_heads + head) * dim..(t * op.kv_heads + head + 1) * dim
                    };
                    for t in 0..m.tokens.len() {
                        let (key, value) =
                            (&self.keys[row(t, op.key_dim)], &self.values[row(t, op.value_dim)]);
                        // SAFETY: a head is in one piece only.
                        unsafe { writer.put(head, m.position + t, key, value) };
                    }
                };
                match m.tokens.len() {
                    // Too little to be divided.
                    1 => (0..op.kv_heads).for_each(put),
                    _ => team.split(op.kv_heads, &|head, _| put(head)),
                }
            }
        }
    }
}

/// `y = y · sigmoid(gate)`
fn apply_gate(m: &mut Memory, op: &Attention, gate: View, t: usize) {
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
