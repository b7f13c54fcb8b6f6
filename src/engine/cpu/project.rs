//! `r[t, row] = W[row, :] · x[t, :]` for rows of several matrices and a batch of tokens.

use std::ops::Range;

use super::activations::{Activations, Scale};
use super::dot::{Acts, Large, Quant, Small, Sums};
use super::lane::Lane;
use super::math::dot;
use super::matrix::{BLOCK, ChunkShape, Data, Matrix, Packing, Quantized, ROWS};
use super::simd::F4;
use super::team::{Parts, Team};

/// Tokens that share one unpacking of a weight block: as many as leave their sums in registers.
const TILE: usize = 4;
/// Pieces of a region per thread: enough that nobody waits long for the last one.
const PIECES_PER_THREAD: usize = 4;
/// Columns of plain weights that are widened at a time.
const STRETCH: usize = 256;

/// Rows of a matrix.
pub struct Segment<'a> {
    /// The matrix.
    pub matrix: &'a Matrix,
    /// Which of its rows.
    pub rows: Range<usize>,
}

impl<'a> Segment<'a> {
    /// All of `matrix`.
    pub fn whole(matrix: &'a Matrix) -> Self {
        Self { matrix, rows: 0..matrix.rows }
    }

    /// Groups of rows that are interleaved: the first and the last may reach beyond the segment.
    fn groups(&self) -> Range<usize> {
        self.rows.start / ROWS..self.rows.end.div_ceil(ROWS)
    }
}

/// Inputs of projections: the same rows twice.
#[derive(Default)]
pub struct Inputs {
    /// `[tokens, columns]`
    pub x: Vec<f32>,
    /// The same quantised, where a quantised matrix asks for it.
    pub acts: Activations,
}

/// Where results go: `[tokens, stride]`, the segments' rows one after the other.
#[derive(Clone, Copy)]
pub struct Results<'a> {
    /// All of them.
    pub r: Parts<'a, f32>,
    /// From a token to the next.
    pub stride: usize,
    /// Where the first segment's first row goes.
    pub offset: usize,
}

impl Results<'_> {
    /// Writes row `row` of token `t`, which nobody else writes.
    fn put(&self, t: usize, row: usize, value: f32) {
        // SAFETY: a row is in one piece only, and its thread is here.
        unsafe { self.r.get(t * self.stride + self.offset + row, 1)[0] = value };
    }
}

/// Rows of `count` segments times each token of `inputs`, divided among the team.
pub fn project<'a>(
    team: &Team,
    count: usize,
    segment: &(dyn Fn(usize) -> Segment<'a> + Sync),
    inputs: &Inputs,
    out: Results<'_>,
) {
    let total: usize = (0..count).map(|i| segment(i).groups().len()).sum();
    let pieces = if team.size() == 1 { 1 } else { (team.size() * PIECES_PER_THREAD).min(total) };
    team.split(pieces, &|piece, _| {
        let (mut first, mut offset) = (0, 0);
        for segment in (0..count).map(segment) {
            let groups = segment.groups();
            // This piece's share of the segment's groups.
            let local = |piece: usize| (piece * total / pieces).clamp(first, first + groups.len()) - first;
            for group in groups.start + local(piece)..groups.start + local(piece + 1) {
                project_group(&segment, group, inputs, Results { offset: out.offset + offset, ..out });
            }
            first += groups.len();
            offset += segment.rows.len();
        }
    });
}

/// The segment's rows in one group.
fn project_group(segment: &Segment<'_>, group: usize, inputs: &Inputs, out: Results<'_>) {
    let Segment { matrix, rows } = segment;
    let here = rows.start.max(group * ROWS)..rows.end.min((group + 1) * ROWS);
    let out = Results { offset: out.offset + here.start - rows.start, ..out };
    match matrix.data() {
        Data::F32(weights) => {
            for (i, row) in here.enumerate() {
                let row = &weights[row * matrix.columns..][..matrix.columns];
                for (t, x) in inputs.x.chunks_exact(matrix.columns).enumerate() {
                    out.put(t, i, dot(row, x));
                }
            }
        }
        Data::Half(weights, widen) => {
            for (i, row) in here.enumerate() {
                let row = &weights[row * matrix.columns..][..matrix.columns];
                half_row(row, *widen, &inputs.x, |t, value| out.put(t, i, value));
            }
        }
        Data::Quantized(quantized) => {
            let first = here.start - group * ROWS;
            quantized_rows(quantized, group, &inputs.acts, |t, values| {
                // SAFETY: nobody else has these rows.
                unsafe { out.r.get(t * out.stride + out.offset, here.len()) }
                    .copy_from_slice(&values[first..first + here.len()]);
            });
        }
    }
}

/// One row of plain weights times every token: stretch by stretch, so that what is widened serves all of them.
fn half_row(row: &[u16], widen: fn(u16) -> f32, x: &[f32], mut put: impl FnMut(usize, f32)) {
    let mut wide = [0.0; STRETCH];
    let tokens = x.len() / row.len();
    for first in (0..tokens).step_by(TILE) {
        let count = TILE.min(tokens - first);
        let mut sums = [0.0; TILE];
        for (stretch, start) in row.chunks(STRETCH).zip((0..).step_by(STRETCH)) {
            let wide = &mut wide[..stretch.len()];
            wide.iter_mut().zip(stretch).for_each(|(wide, &weight)| *wide = widen(weight));
            for (sum, t) in sums.iter_mut().zip(first..first + count) {
                *sum += dot(wide, &x[t * row.len() + start..][..stretch.len()]);
            }
        }
        sums[..count].iter().enumerate().for_each(|(i, &sum)| put(first + i, sum));
    }
}

/// Four rows times every token, `TILE` tokens at a time.
fn quantized_rows(matrix: &Quantized, group: usize, acts: &Activations, put: impl FnMut(usize, [f32; ROWS])) {
    let ChunkShape { packing, groups, has_min, .. } = matrix.shape;
    match (packing, groups, has_min) {
        (Packing::Nibbles, 1, false) => all_tokens::<Nibbles, 1, false>(matrix, group, acts, put),
        (Packing::Nibbles, 1, true) => all_tokens::<Nibbles, 1, true>(matrix, group, acts, put),
        (Packing::Nibbles, _, false) => all_tokens::<Nibbles, 2, false>(matrix, group, acts, put),
        (Packing::Nibbles, _, true) => all_tokens::<Nibbles, 2, true>(matrix, group, acts, put),
        (Packing::Small, 1, false) => all_tokens::<SmallBytes, 1, false>(matrix, group, acts, put),
        (Packing::Small, 1, true) => all_tokens::<SmallBytes, 1, true>(matrix, group, acts, put),
        (Packing::Small, _, false) => all_tokens::<SmallBytes, 2, false>(matrix, group, acts, put),
        (Packing::Small, _, true) => all_tokens::<SmallBytes, 2, true>(matrix, group, acts, put),
        // Q8_0 alone has eight bits.
        (Packing::Large, ..) => all_tokens::<LargeBytes, 1, false>(matrix, group, acts, put),
    }
}

#[inline(always)]
fn all_tokens<P: Unpack, const GROUPS: usize, const MIN: bool>(
    matrix: &Quantized,
    group: usize,
    acts: &Activations,
    mut put: impl FnMut(usize, [f32; ROWS]),
) {
    let tokens = acts.tokens();
    let whole = tokens / TILE * TILE;
    for first in (0..whole).step_by(TILE) {
        let out = tile::<P, GROUPS, MIN, TILE>(matrix, group, acts, first);
        out.into_iter().enumerate().for_each(|(t, values)| put(first + t, values));
    }
    for t in whole..tokens {
        let [values] = tile::<P, GROUPS, MIN, 1>(matrix, group, acts, t);
        put(t, values);
    }
}

/// The kernel: for each block, integer dot products of four rows with `T` tokens, then
/// `sum += step · (scale · Σ q·a + min · Σ a)`.
#[inline(never)]
fn tile<P: Unpack, const GROUPS: usize, const MIN: bool, const T: usize>(
    matrix: &Quantized,
    group: usize,
    acts: &Activations,
    first: usize,
) -> [[f32; ROWS]; T] {
    let blocks = acts.blocks();
    let header = GROUPS * (1 + usize::from(MIN));
    let lanes = header + P::LANES;
    let zero = i32::from(matrix.shape.zero);
    let chunks = matrix.lanes[group * blocks * lanes..][..blocks * lanes].chunks_exact(lanes);
    let q: [&[[[Quant; 4]; BLOCK / 4]]; T] = std::array::from_fn(|t| acts.row(first + t));
    let scales: [&[Scale]; T] = std::array::from_fn(|t| &acts.scales[(first + t) * blocks..][..blocks]);
    let mut sums = [F4::splat(0.0); T];
    for (block, chunk) in chunks.enumerate() {
        let (header, quants) = chunk.split_at(header);
        let mut dots = [[Sums::zero(); GROUPS]; T];
        P::dot(quants, std::array::from_fn(|t| &q[t][block]), &mut dots);
        for t in 0..T {
            let Scale { step, sums: halves } = scales[t][block];
            for g in 0..GROUPS {
                let sum = if GROUPS == 1 { halves[0] + halves[1] } else { halves[g] };
                let mut value = P::finish(dots[t][g], zero * sum).mul(F4::from_lane(&header[g]));
                if MIN {
                    #[allow(clippy::cast_precision_loss, reason = "sums of a block stay below 2^13")]
                    let sum = F4::splat(sum as f32);
                    value = value.add(F4::from_lane(&header[GROUPS + g]).mul(sum));
                }
                sums[t] = sums[t].add(value.mul(F4::splat(step)));
            }
        }
    }
    sums.map(F4::to_array)
}

/// How a chunk's quants are packed.
trait Unpack {
    /// Lanes of quants in a chunk.
    const LANES: usize;

    /// Adds a chunk's products with `T` tokens: columns 0..16 to the first sum, the others to the last.
    fn dot<const GROUPS: usize, const T: usize>(
        quants: &[Lane],
        q: [&[[Quant; 4]; BLOCK / 4]; T],
        dots: &mut [[Sums; GROUPS]; T],
    );

    /// A sum as floats.
    fn finish(sums: Sums, offset: i32) -> F4;
}

/// [`Packing::Nibbles`]
struct Nibbles;
/// [`Packing::Small`]
struct SmallBytes;
/// [`Packing::Large`]
struct LargeBytes;

impl Unpack for Nibbles {
    const LANES: usize = 4;

    #[inline(always)]
    fn dot<const GROUPS: usize, const T: usize>(
        quants: &[Lane],
        q: [&[[Quant; 4]; BLOCK / 4]; T],
        dots: &mut [[Sums; GROUPS]; T],
    ) {
        for (j, lane) in quants.iter().enumerate().take(Self::LANES) {
            let (low, high) = Small::nibbles(lane);
            for t in 0..T {
                dots[t][0].dot(low, Acts::splat(&q[t][j]));
                dots[t][GROUPS - 1].dot(high, Acts::splat(&q[t][j + 4]));
            }
        }
    }

    #[inline(always)]
    fn finish(sums: Sums, offset: i32) -> F4 {
        sums.finish(offset)
    }
}

impl Unpack for SmallBytes {
    const LANES: usize = 8;

    #[inline(always)]
    fn dot<const GROUPS: usize, const T: usize>(
        quants: &[Lane],
        q: [&[[Quant; 4]; BLOCK / 4]; T],
        dots: &mut [[Sums; GROUPS]; T],
    ) {
        for (j, lane) in quants.iter().enumerate().take(Self::LANES) {
            let weights = Small::load(lane);
            for t in 0..T {
                dots[t][j / 4 * (GROUPS - 1)].dot(weights, Acts::splat(&q[t][j]));
            }
        }
    }

    #[inline(always)]
    fn finish(sums: Sums, offset: i32) -> F4 {
        sums.finish(offset)
    }
}

impl Unpack for LargeBytes {
    const LANES: usize = 8;

    #[inline(always)]
    fn dot<const GROUPS: usize, const T: usize>(
        quants: &[Lane],
        q: [&[[Quant; 4]; BLOCK / 4]; T],
        dots: &mut [[Sums; GROUPS]; T],
    ) {
        for (j, lane) in quants.iter().enumerate().take(Self::LANES) {
            let weights = Large::load(lane);
            for t in 0..T {
                dots[t][j / 4 * (GROUPS - 1)].dot_large(weights, Acts::splat(&q[t][j]));
            }
        }
    }

    #[inline(always)]
    fn finish(sums: Sums, offset: i32) -> F4 {
        sums.finish_large(offset)
    }
}
