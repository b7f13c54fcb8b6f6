//! How the quants of a chunk are packed, and how each packing is multiplied with activations.

use super::dot::{Acts, Quant, Sums, Weights};
use super::lane::Lane;
use super::matrix::BLOCK;
use super::simd::F4;

/// One token's block, four columns at a time.
pub type Columns = [[Quant; 4]; BLOCK / 4];

/// A packing.
pub trait Unpack {
    /// Lanes of quants in a chunk.
    const LANES: usize;
    /// Dot products of four rows with one token.
    type Sums: Total;

    /// Adds a chunk's products with `T` tokens: columns 0..16 to the first sum, the others to the last.
    fn dot<const GROUPS: usize, const T: usize>(
        quants: &[Lane],
        q: [&Columns; T],
        dots: &mut [[Self::Sums; GROUPS]; T],
    );
}

/// Integer dot products of four rows; nothing is added up by default.
pub trait Total: Copy + Default {
    /// The sums, less `offset`, as floats.
    fn finish(self, offset: i32) -> F4;
}

impl Total for Sums {
    #[inline(always)]
    fn finish(self, offset: i32) -> F4 {
        Sums::finish(self, offset)
    }
}

/// Of the low and of the high nibbles.
impl Total for (Sums, Sums) {
    #[inline(always)]
    fn finish(self, offset: i32) -> F4 {
        Sums::join(self.1, self.0, offset)
    }
}

/// [`Packing::Nibbles`](super::matrix::Packing::Nibbles)
pub struct Nibbles;
/// [`Packing::Sixes`](super::matrix::Packing::Sixes)
pub struct Sixes;
/// [`Packing::Bytes`](super::matrix::Packing::Bytes)
pub struct Bytes;

impl Unpack for Nibbles {
    const LANES: usize = 4;
    type Sums = Sums;

    #[inline(always)]
    fn dot<const GROUPS: usize, const T: usize>(
        quants: &[Lane],
        q: [&Columns; T],
        dots: &mut [[Sums; GROUPS]; T],
    ) {
        for (j, lane) in quants.iter().enumerate().take(Self::LANES) {
            let (low, high) = Weights::nibbles(lane);
            for t in 0..T {
                dots[t][0].dot(low, Acts::splat(&q[t][j]));
                dots[t][GROUPS - 1].dot(high, Acts::splat(&q[t][j + 4]));
            }
        }
    }
}

impl Unpack for Sixes {
    const LANES: usize = 6;
    type Sums = Sums;

    #[inline(always)]
    fn dot<const GROUPS: usize, const T: usize>(
        quants: &[Lane],
        q: [&Columns; T],
        dots: &mut [[Sums; GROUPS]; T],
    ) {
        for (half, lanes) in quants.as_chunks().0.iter().enumerate().take(2) {
            for (i, weights) in Weights::sixes(lanes).into_iter().enumerate() {
                for t in 0..T {
                    let sums = &mut dots[t][half * (GROUPS - 1)];
                    sums.dot(weights, Acts::splat(&q[t][4 * half + i]));
                    // Six bits: two fit.
                    if i % 2 == 1 {
                        sums.settle();
                    }
                }
            }
        }
    }
}

impl Unpack for Bytes {
    const LANES: usize = 8;
    type Sums = (Sums, Sums);

    #[inline(always)]
    fn dot<const GROUPS: usize, const T: usize>(
        quants: &[Lane],
        q: [&Columns; T],
        dots: &mut [[Self::Sums; GROUPS]; T],
    ) {
        for (j, lane) in quants.iter().enumerate().take(Self::LANES) {
            let (low, high) = Weights::nibbles(lane);
            for t in 0..T {
                let acts = Acts::splat(&q[t][j]);
                let sums = &mut dots[t][j / 4 * (GROUPS - 1)];
                sums.0.dot(low, acts);
                sums.1.dot(high, acts);
            }
        }
    }
}
