//! Attention over a cache in 8 bits: queries and weights are rounded to 15 bits, and multiplied as integers.
//!
//! `score = q · k`, softmax, `y = Σ weight · v`, for the queries of a few tokens that share a key-value head, so that
//! what is loaded from the cache serves all of them.

use super::kv_cache::{FOUR, KEY_LANES, QuantizedCache};
use super::lane::Lane;
use super::math::{exponentials, largest_magnitude};
use super::matrix::BLOCK;
use super::simd::{Bytes, F4, Fine, FineSums, round_fine};
use crate::kernels::attention::Attention;

/// Queries that are multiplied at a time: as many as leave their sums in registers.
const TILE: usize = 4;
/// Runs of keys, or of values, that are read side by side, far apart, for the reason that `project.rs` gives.
const RUNS: usize = 4;
/// Rounded queries and weights are at most this: what 32 of them times 127 add up to fits into 32 bits.
const LARGEST: f32 = 16383.0;

/// What one thread needs, kept from one run to the next.
#[derive(Default)]
pub struct Scratch {
    queries: Rounded,
    /// `[queries, positions]`, then weights.
    scores: Vec<f32>,
    weights: Rounded,
}

/// A block of 15-bit integers, four at a time.
type Fours = [[i16; FOUR]; BLOCK / FOUR];

/// Rows of 15-bit integers, 32 to a step.
#[derive(Default)]
struct Rounded {
    blocks: usize,
    q: Vec<Fours>,
    steps: Vec<f32>,
}

impl Rounded {
    fn resize(&mut self, rows: usize, blocks: usize) {
        self.blocks = blocks;
        self.q.resize(rows * blocks, [[0; FOUR]; BLOCK / FOUR]);
        self.steps.resize(rows * blocks, 0.0);
    }

    fn reserve(&mut self, rows: usize, blocks: usize) {
        self.q.reserve(rows * blocks);
        self.steps.reserve(rows * blocks);
    }

    /// Rounds `values`, at most the row's length; the rest is zero.
    fn set(&mut self, row: usize, values: &[f32], factor: f32) {
        let at = row * self.blocks;
        for (i, values) in values.chunks(BLOCK).enumerate() {
            let mut block = [0.0; BLOCK];
            block[..values.len()].copy_from_slice(values);
            let largest = largest_magnitude(&block);
            let inverse = if largest > 0.0 { LARGEST / largest } else { 0.0 };
            round_fine(&block, inverse, self.q[at + i].as_flattened_mut());
            self.steps[at + i] = largest / LARGEST * factor;
        }
    }

    /// Blocks and steps of `T` rows from `first`.
    #[inline(always)]
    fn rows<const T: usize>(&self, first: usize) -> [(&[Fours], &[f32]); T] {
        std::array::from_fn(|t| {
            let at = (first + t) * self.blocks;
            (&self.q[at..][..self.blocks], &self.steps[at..][..self.blocks])
        })
    }
}

impl Scratch {
    /// Makes room for `queries` over `context` positions.
    pub fn reserve(&mut self, queries: usize, key_dim: usize, context: usize) {
        let context = context.next_multiple_of(BLOCK);
        self.queries.reserve(queries, key_dim.div_ceil(BLOCK));
        self.scores.reserve(queries * context);
        self.weights.reserve(queries, context / BLOCK);
    }
}

/// Queries of one key-value head: of some of the heads that share it, of each of some tokens.
pub struct Queries<'a> {
    /// Position of the first token.
    pub position: usize,
    /// Key-value head.
    pub head: usize,
    /// Per token `[sharing, key_dim]`.
    pub tokens: &'a [&'a [f32]],
    /// Heads of a token.
    pub sharing: usize,
}

/// Attends; `outputs[t]` becomes token t's `[sharing, value_dim]`.
pub fn attend(
    op: &Attention,
    cache: &QuantizedCache,
    queries: &Queries<'_>,
    scratch: &mut Scratch,
    outputs: &mut [&mut [f32]],
) {
    let sharing = queries.sharing;
    let count = queries.tokens.len() * sharing;
    let last = queries.position + queries.tokens.len() - 1;
    // Whole blocks of positions, from the one that holds the first visible one.
    let start = op.first_visible(queries.position) / BLOCK * BLOCK;
    let len = (last + 1 - start).next_multiple_of(BLOCK);
    scratch.queries.resize(count, op.key_dim.div_ceil(BLOCK));
    scratch.scores.resize(count * len, 0.0);
    scratch.weights.resize(count, len / BLOCK);
    for (t, token) in queries.tokens.iter().enumerate() {
        let position = queries.position + t;
        let scale = op.scale * op.temperature.map_or(1.0, |temperature| temperature.at(position));
        for (h, query) in token.chunks_exact(op.key_dim).enumerate() {
            scratch.queries.set(t * sharing + h, query, scale);
        }
    }
    let keys = &cache.keys(queries.head)[start / FOUR * scratch.queries.blocks..];
    each_tile(count, |first, tile| score(keys, &scratch.queries, first, tile, len, &mut scratch.scores));
    let steps = &cache.value_steps(queries.head)[start..][..len];
    for (row, scores) in scratch.scores.chunks_exact_mut(len).enumerate() {
        let position = queries.position + row / sharing;
        let sum = weigh(op, scores, op.first_visible(position) - start, position + 1 - start, steps);
        scratch.weights.set(row, scores, 1.0 / sum);
    }
    let groups = op.value_dim.div_ceil(FOUR);
    let run = groups.div_ceil(RUNS);
    for i in 0..run {
        // Where the runs do not come out even, the last ones compute some groups once more.
        let groups = std::array::from_fn(|r| (r * run).min(groups - run) + i);
        let values = groups.map(|group| &cache.values(queries.head, group)[start / FOUR..][..len / FOUR]);
        each_tile(count, |first, tile| {
            add_up(values, &scratch.weights, first, tile, |row, r, four| {
                let (t, h) = (row / sharing, row % sharing);
                let y = &mut outputs[t][h * op.value_dim..][..op.value_dim][groups[r] * FOUR..];
                let len = y.len().min(FOUR);
                y[..len].copy_from_slice(&four[..len]);
            });
        });
    }
}

/// Calls `work` with the first of every tile of rows, and how many it has.
fn each_tile(rows: usize, mut work: impl FnMut(usize, usize)) {
    (0..rows).step_by(TILE).for_each(|first| work(first, (rows - first).min(TILE)));
}

/// Scores of `tile` queries from `first`.
fn score(
    keys: &[[Lane; KEY_LANES]],
    queries: &Rounded,
    first: usize,
    tile: usize,
    len: usize,
    scores: &mut [f32],
) {
    match tile {
        1 => score_tile::<1>(keys, queries, first, len, scores),
        2 => score_tile::<2>(keys, queries, first, len, scores),
        3 => score_tile::<3>(keys, queries, first, len, scores),
        _ => score_tile::<4>(keys, queries, first, len, scores),
    }
}

fn score_tile<const T: usize>(
    keys: &[[Lane; KEY_LANES]],
    queries: &Rounded,
    first: usize,
    len: usize,
    scores: &mut [f32],
) {
    let rows = queries.rows::<T>(first);
    // Positions come in whole blocks, of which each run has as many fours.
    let run = len / FOUR / RUNS;
    for four in (0..run).flat_map(|i| (0..RUNS).map(move |r| r * run + i)) {
        let blocks = &keys[four * queries.blocks..][..queries.blocks];
        let mut totals = [F4::splat(0.0); T];
        for (b, [steps, lanes @ ..]) in blocks.iter().enumerate() {
            let mut sums = [FineSums::default(); T];
            for (j, lane) in lanes.iter().enumerate() {
                let bytes = Bytes::load(lane);
                for t in 0..T {
                    sums[t].dot(bytes, Fine::splat(&rows[t].0[b][j]));
                }
            }
            let steps = F4::from_lane(steps);
            for t in 0..T {
                totals[t] = totals[t].add(sums[t].finish().mul(steps).mul(F4::splat(rows[t].1[b])));
            }
        }
        for t in 0..T {
            scores[(first + t) * len + four * FOUR..][..FOUR].copy_from_slice(&totals[t].to_array());
        }
    }
}

/// Scores become weights of value quants, times the sum that is returned; those outside `first .. end` are zero.
fn weigh(op: &Attention, scores: &mut [f32], first: usize, end: usize, steps: &[f32]) -> f32 {
    scores[..first].fill(0.0);
    scores[end..].fill(0.0);
    let visible = &mut scores[first..end];
    if let Some(cap) = op.softcap {
        visible.iter_mut().for_each(|score| *score = cap * (*score / cap).tanh());
    }
    let sum = exponentials(visible);
    visible.iter_mut().zip(&steps[first..end]).for_each(|(weight, step)| *weight *= step);
    sum
}

/// Four dimensions of each run for `tile` outputs from `first`; `put` gets an output, a run, and its four.
fn add_up(
    values: [&[Lane]; RUNS],
    weights: &Rounded,
    first: usize,
    tile: usize,
    put: impl FnMut(usize, usize, [f32; FOUR]),
) {
    match tile {
        1 => add_up_tile::<1>(values, weights, first, put),
        2 => add_up_tile::<2>(values, weights, first, put),
        3 => add_up_tile::<3>(values, weights, first, put),
        _ => add_up_tile::<4>(values, weights, first, put),
    }
}

#[inline(always)]
fn add_up_tile<const T: usize>(
    values: [&[Lane]; RUNS],
    weights: &Rounded,
    first: usize,
    mut put: impl FnMut(usize, usize, [f32; FOUR]),
) {
    let rows = weights.rows::<T>(first);
    let values = values.map(|values| values.as_chunks::<{ BLOCK / FOUR }>().0);
    let mut totals = [[F4::splat(0.0); T]; RUNS];
    for b in 0..weights.blocks {
        for (totals, values) in totals.iter_mut().zip(values) {
            let mut sums = [FineSums::default(); T];
            for (j, lane) in values[b].iter().enumerate() {
                let bytes = Bytes::load(lane);
                for t in 0..T {
                    sums[t].dot(bytes, Fine::splat(&rows[t].0[b][j]));
                }
            }
            for t in 0..T {
                totals[t] = totals[t].add(sums[t].finish().mul(F4::splat(rows[t].1[b])));
            }
        }
    }
    for (r, totals) in totals.into_iter().enumerate() {
        totals.into_iter().enumerate().for_each(|(t, total)| put(first + t, r, total.to_array()));
    }
}
