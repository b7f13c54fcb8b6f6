//! `r[t, row] = W[row, :] · x[t, :]` for rows of several matrices and a batch of tokens.

use std::ops::Range;

use super::activations::{Activations, Scale};
use super::math::dot;
use super::matrix::{ChunkShape, Data, Matrix, Packing, Quantized, ROWS};
use super::packing::{Bytes, Columns, Nibbles, Sixes, Total, Unpack};
use super::simd::F4;
use super::team::{Parts, Team};

/// Tokens that share one unpacking of a weight block: as many as leave their sums in registers.
const TILE: usize = 4;
/// Groups of rows that a single token meets at once, each from a run of its own.
const STREAMS: usize = 4;
/// Pieces of a region per thread, at most.
const MOST_ROUNDS: usize = 8;
/// Groups of a piece, at least, if every thread has one: enough that its runs are pages apart.
const GROUPS_PER_PIECE: usize = 4 * STREAMS;
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
    /// Writes rows `row ..` of token `t`, which nobody else writes.
    fn put(&self, t: usize, row: usize, values: &[f32]) {
        // SAFETY: a row is in one piece only, and its thread is here.
        unsafe { self.r.get(t * self.stride + self.offset + row, values.len()) }.copy_from_slice(values);
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
    let pieces = Pieces::of(total, team.size());
    let start = |piece| pieces.start(piece);
    team.split(pieces.count(), &|piece, _| {
        let (mut first, mut offset) = (0, 0);
        for segment in (0..count).map(segment) {
            let groups = segment.groups();
            // This piece's share of the segment's groups.
            let local = |piece: usize| start(piece).clamp(first, first + groups.len()) - first;
            let share = groups.start + local(piece)..groups.start + local(piece + 1);
            project_groups(&segment, share, inputs, Results { offset: out.offset + offset, ..out });
            first += groups.len();
            offset += segment.rows.len();
        }
    });
}

/// How a region is divided: in rounds, in which every thread has a piece, each smaller than the one before, so that nobody
/// waits long for the last one and the first ones have long runs.
struct Pieces {
    total: usize,
    threads: usize,
    rounds: usize,
}

impl Pieces {
    fn of(total: usize, threads: usize) -> Self {
        let room = total / threads / GROUPS_PER_PIECE;
        let rounds = if threads == 1 {
            1
        } else {
            (1..MOST_ROUNDS).find(|&r| triangle(r + 1) > room).unwrap_or(MOST_ROUNDS)
        };
        Self { total, threads, rounds }
    }

    fn count(&self) -> usize {
        self.rounds * self.threads
    }

    /// Where a piece starts: where the runs of those before it come out even.
    fn start(&self, piece: usize) -> usize {
        if piece == self.count() {
            return self.total;
        }
        let (round, place) = (piece / self.threads, piece % self.threads);
        // A piece of the last round is one share, one of the round before two.
        let left = self.rounds - round;
        let shares = self.threads * (triangle(self.rounds) - triangle(left)) + place * left;
        self.total * shares / (self.threads * triangle(self.rounds)) / STREAMS * STREAMS
    }
}

/// 1 + 2 + … + n
fn triangle(n: usize) -> usize {
    n * (n + 1) / 2
}

/// The segment's rows in these groups.
fn project_groups(segment: &Segment<'_>, groups: Range<usize>, inputs: &Inputs, out: Results<'_>) {
    let Segment { matrix, rows } = segment;
    let here = rows.start.max(groups.start * ROWS)..rows.end.min(groups.end * ROWS);
    match matrix.data() {
        Data::F32(weights) => {
            for row in here {
                let weights = &weights[row * matrix.columns..][..matrix.columns];
                for (t, x) in inputs.x.chunks_exact(matrix.columns).enumerate() {
                    out.put(t, row - rows.start, &[dot(weights, x)]);
                }
            }
        }
        Data::Half(weights, widen) => {
            for row in here {
                let weights = &weights[row * matrix.columns..][..matrix.columns];
                half_row(weights, *widen, &inputs.x, |t, value| out.put(t, row - rows.start, &[value]));
            }
        }
        Data::Quantized(quantized) => quantized_rows(quantized, groups, &inputs.acts, |t, first, values| {
            let here = here.start.max(first)..here.end.min(first + ROWS);
            if !here.is_empty() {
                out.put(t, here.start - rows.start, &values[here.start - first..here.end - first]);
            }
        }),
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

/// Groups of rows times every token; `put` gets a token, a row, and the values of that and the next three.
fn quantized_rows(
    matrix: &Quantized,
    groups: Range<usize>,
    acts: &Activations,
    put: impl FnMut(usize, usize, [f32; ROWS]),
) {
    let ChunkShape { packing, groups: scales, has_min, .. } = matrix.shape;
    match (packing, scales, has_min) {
        (Packing::Nibbles, 1, false) => all_tokens::<Nibbles, 1, false>(matrix, groups, acts, put),
        (Packing::Nibbles, 1, true) => all_tokens::<Nibbles, 1, true>(matrix, groups, acts, put),
        (Packing::Nibbles, _, false) => all_tokens::<Nibbles, 2, false>(matrix, groups, acts, put),
        (Packing::Nibbles, _, true) => all_tokens::<Nibbles, 2, true>(matrix, groups, acts, put),
        (Packing::Sixes, 1, false) => all_tokens::<Sixes, 1, false>(matrix, groups, acts, put),
        (Packing::Sixes, 1, true) => all_tokens::<Sixes, 1, true>(matrix, groups, acts, put),
        (Packing::Sixes, _, false) => all_tokens::<Sixes, 2, false>(matrix, groups, acts, put),
        (Packing::Sixes, _, true) => all_tokens::<Sixes, 2, true>(matrix, groups, acts, put),
        // Q8_0 alone has eight bits.
        (Packing::Bytes, ..) => all_tokens::<Bytes, 1, false>(matrix, groups, acts, put),
    }
}

/// Tokens in tiles, or where a single token is left, several groups at once: what is loaded serves several either way.
///
/// A single token reads the groups as `STREAMS` runs side by side, each in pages of its own: processors fetch ahead within
/// a page, and from one run alone too little to compute meanwhile. Where the runs do not come out even, a run
/// starts earlier and computes once more what the one before it ends with.
#[inline(always)]
fn all_tokens<P: Unpack, const GROUPS: usize, const MIN: bool>(
    matrix: &Quantized,
    groups: Range<usize>,
    acts: &Activations,
    mut put: impl FnMut(usize, usize, [f32; ROWS]),
) {
    let tokens = acts.tokens();
    let whole = tokens / TILE * TILE;
    let run = groups.len().div_ceil(STREAMS);
    for i in 0..run {
        let own: [usize; STREAMS] = std::array::from_fn(|s| groups.start + s * run);
        let here = own.map(|start| start.min(groups.end - run) + i);
        for (group, _) in here.into_iter().zip(own).filter(|(group, own)| group >= own) {
            for first in (0..whole).step_by(TILE) {
                let [out] = tile::<P, GROUPS, MIN, TILE, 1>(matrix, [group], acts, first);
                out.into_iter().enumerate().for_each(|(t, values)| put(first + t, group * ROWS, values));
            }
        }
        for t in whole..tokens {
            let out = tile::<P, GROUPS, MIN, 1, STREAMS>(matrix, here, acts, t);
            here.into_iter().zip(out).for_each(|(group, [values])| put(t, group * ROWS, values));
        }
    }
}

/// The kernel: for each block, integer dot products of `R` groups of rows with `T` tokens, from `first` on, then
/// `sum += step · (scale · Σ q·a + min · Σ a)`.
#[inline(never)]
fn tile<P: Unpack, const GROUPS: usize, const MIN: bool, const T: usize, const R: usize>(
    matrix: &Quantized,
    groups: [usize; R],
    acts: &Activations,
    first: usize,
) -> [[[f32; ROWS]; T]; R] {
    let blocks = acts.blocks();
    let header = GROUPS * (1 + usize::from(MIN));
    let lanes = header + P::LANES;
    let zero = i32::from(matrix.shape.zero);
    let len = blocks * lanes;
    let mut streams = groups.map(|group| matrix.lanes[group * len..][..len].chunks_exact(lanes));
    let q: [&[Columns]; T] = std::array::from_fn(|t| acts.row(first + t));
    let scales: [&[Scale]; T] = std::array::from_fn(|t| &acts.scales[(first + t) * blocks..][..blocks]);
    let mut sums = [[F4::splat(0.0); T]; R];
    for block in 0..blocks {
        for (sums, stream) in sums.iter_mut().zip(&mut streams) {
            let Some(chunk) = stream.next() else { break };
            let (header, quants) = chunk.split_at(header);
            let mut dots = [[P::Sums::default(); GROUPS]; T];
            P::dot(quants, std::array::from_fn(|t| &q[t][block]), &mut dots);
            for t in 0..T {
                let Scale { step, halves, sum } = scales[t][block];
                for g in 0..GROUPS {
                    let sum = if GROUPS == 1 { sum } else { halves[g] };
                    let mut value = dots[t][g].finish(zero * sum).mul(F4::from_lane(&header[g]));
                    if MIN {
                        #[allow(clippy::cast_precision_loss, reason = "sums of a block stay below 2^13")]
                        let sum = F4::splat(sum as f32);
                        value = value.add(F4::from_lane(&header[GROUPS + g]).mul(sum));
                    }
                    sums[t] = sums[t].add(value.mul(F4::splat(step)));
                }
            }
        }
    }
    sums.map(|sums| sums.map(F4::to_array))
}
