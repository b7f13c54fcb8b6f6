//! `r[t, row] = W[row, :] · x[t, :]` for a range of rows and a batch of tokens.

use std::ops::Range;

use super::activations::Activations;
use super::lane::Lane;
use super::math::dot;
use super::matrix::{BLOCK, ChunkShape, Data, Matrix, Quantized, ROWS};
use super::simd::{Acts, F4, Sums, Wide};

/// Tokens that share one unpacking of a weight block: as many as leave their sums in registers.
const TILE: usize = 4;

/// Inputs and scratch of projections.
#[derive(Default)]
pub struct Projector {
    /// `[tokens, columns]`, normalised.
    pub x: Vec<f32>,
    /// The same, quantised.
    pub acts: Activations,
    /// `[tokens, rows]`, results.
    pub r: Vec<f32>,
    /// One row of 16-bit weights, widened.
    row: Vec<f32>,
}

impl Projector {
    /// Quantises `x`, once for all quantised matrices that it meets.
    pub fn quantize(&mut self, columns: usize) {
        self.acts.reset(columns);
        self.x.chunks_exact(columns).for_each(|row| self.acts.push(row));
    }

    /// Rows `rows` of `matrix` times `x`: `r[t * stride + offset + i]` becomes row `rows.start + i` times token t.
    pub fn project(&mut self, matrix: &Matrix, rows: Range<usize>, offset: usize, stride: usize) {
        let tokens = self.x.len() / matrix.columns;
        match matrix.data() {
            Data::F32(weights) => {
                for (i, row) in weights[rows.start * matrix.columns..rows.end * matrix.columns]
                    .chunks_exact(matrix.columns)
                    .enumerate()
                {
                    dot_tokens(row, &self.x, &mut self.r, offset + i, stride);
                }
            }
            Data::Half(weights, widen) => {
                for (i, row) in weights[rows.start * matrix.columns..rows.end * matrix.columns]
                    .chunks_exact(matrix.columns)
                    .enumerate()
                {
                    self.row.clear();
                    self.row.extend(row.iter().map(|&w| widen(w)));
                    dot_tokens(&self.row, &self.x, &mut self.r, offset + i, stride);
                }
            }
            Data::Quantized(quantized) => {
                let kernel = kernel(quantized.shape);
                for group in rows.start / ROWS..rows.end.div_ceil(ROWS) {
                    let mut t = 0;
                    while t < tokens {
                        let count = if tokens - t >= TILE { TILE } else { 1 };
                        let mut out = [[0.0; ROWS]; TILE];
                        kernel(quantized, group, &self.acts, t, count, &mut out);
                        for (t, out) in (t..t + count).zip(out) {
                            for (row, value) in
                                (group * ROWS..).zip(out).filter(|(row, _)| rows.contains(row))
                            {
                                self.r[t * stride + offset + row - rows.start] = value;
                            }
                        }
                        t += count;
                    }
                }
            }
        }
    }
}

/// `r[t * stride + at] = row · x[t, :]`
fn dot_tokens(row: &[f32], x: &[f32], r: &mut [f32], at: usize, stride: usize) {
    for (t, x) in x.chunks_exact(row.len()).enumerate() {
        r[t * stride + at] = dot(row, x);
    }
}

/// Four rows times `count` tokens from token `first`.
type Kernel = fn(&Quantized, usize, &Activations, usize, usize, &mut [[f32; ROWS]; TILE]);

fn kernel(shape: ChunkShape) -> Kernel {
    match (shape.nibbles, shape.groups, shape.has_min) {
        (true, 1, false) => tokens::<true, 1, false>,
        (true, 1, true) => tokens::<true, 1, true>,
        (true, _, false) => tokens::<true, 2, false>,
        (true, _, true) => tokens::<true, 2, true>,
        (false, 1, false) => tokens::<false, 1, false>,
        (false, 1, true) => tokens::<false, 1, true>,
        (false, _, false) => tokens::<false, 2, false>,
        (false, _, true) => tokens::<false, 2, true>,
    }
}

fn tokens<const NIBBLES: bool, const GROUPS: usize, const MIN: bool>(
    matrix: &Quantized,
    group: usize,
    acts: &Activations,
    first: usize,
    count: usize,
    out: &mut [[f32; ROWS]; TILE],
) {
    if count == TILE {
        tile::<NIBBLES, GROUPS, MIN, TILE>(matrix, group, acts, first, out);
    } else {
        tile::<NIBBLES, GROUPS, MIN, 1>(matrix, group, acts, first, out);
    }
}

/// The kernel: for each block, integer dot products of four rows with `T` tokens, then
/// `sum += act_scale · (scale · Σ q·a + min · Σ a)`.
#[inline(always)]
fn tile<const NIBBLES: bool, const GROUPS: usize, const MIN: bool, const T: usize>(
    matrix: &Quantized,
    group: usize,
    acts: &Activations,
    first: usize,
    out: &mut [[f32; ROWS]; TILE],
) {
    let blocks = acts.blocks();
    let lanes = GROUPS * (1 + MIN as usize) + if NIBBLES { 4 } else { 8 };
    let zero = i32::from(matrix.shape.zero);
    let chunks = matrix.lanes[group * blocks * lanes..][..blocks * lanes].chunks_exact(lanes);
    let mut sums = [F4::splat(0.0); T];
    for (block, chunk) in chunks.enumerate() {
        let (header, quants) = chunk.split_at(GROUPS * (1 + MIN as usize));
        let mut dots = [[Sums::zero(); GROUPS]; T];
        let q: [&[[i16; 4]]; T] = std::array::from_fn(|t| {
            acts.q[((first + t) * blocks + block) * BLOCK..][..BLOCK].as_chunks::<4>().0
        });
        dot_chunk::<NIBBLES, GROUPS, T>(quants, &q, &mut dots);
        for t in 0..T {
            let at = (first + t) * blocks + block;
            let act_scale = acts.scale[at];
            let halves = acts.sums[at];
            for g in 0..GROUPS {
                let sum = if GROUPS == 1 { halves[0] + halves[1] } else { halves[g] };
                let mut value = dots[t][g].finish(zero * sum).mul(F4::from_lane(&header[g]));
                if MIN {
                    #[allow(clippy::cast_precision_loss, reason = "sums of a block stay below 2^13")]
                    let sum = F4::splat(sum as f32);
                    value = value.add(F4::from_lane(&header[GROUPS + g]).mul(sum));
                }
                sums[t] = sums[t].add(value.mul(F4::splat(act_scale)));
            }
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = sum.to_array();
    }
}

/// Integer part of one chunk.
#[inline(always)]
fn dot_chunk<const NIBBLES: bool, const GROUPS: usize, const T: usize>(
    quants: &[Lane],
    q: &[&[[i16; 4]]; T],
    dots: &mut [[Sums; GROUPS]; T],
) {
    if NIBBLES {
        for (j, lane) in quants.iter().enumerate().take(4) {
            let (low, high) = Wide::nibbles(lane);
            for t in 0..T {
                dots[t][0].dot(low, Acts::splat(&q[t][j]));
                dots[t][GROUPS - 1].dot(high, Acts::splat(&q[t][j + 4]));
            }
        }
    } else {
        for (j, lane) in quants.iter().enumerate().take(8) {
            let weights = Wide::bytes(lane);
            for t in 0..T {
                dots[t][j / 4 * (GROUPS - 1)].dot(weights, Acts::splat(&q[t][j]));
            }
        }
    }
}
