//! Weight matrices as the kernels want them.
//!
//! Quantised ones are stored in groups of four rows and blocks of 32 columns. A chunk, one block of one
//! group, is a run of 16-byte lanes; a group's chunks follow one another, so that a kernel reads it as one stream.
//!
//! | lanes | content |
//! |---|---|
//! | G | scale of each of the four rows (f32), for each of the block's G groups (1 or 2) |
//! | G, or none | min of each of the four rows, likewise |
//! | 4, 6 or 8 | quants, as [`Packing`] says; a lane holds four bytes of each row |
//!
//! One lane of a 4 × i32 accumulator belongs to one row, and nothing is summed across lanes before a block's end.

use super::lane::Lane;
use super::zeroed;
use crate::error::Result;
use crate::kernels::formats::{Blocks, Format, Layout, Unpacked};

/// Rows that are interleaved.
pub const ROWS: usize = 4;
/// Columns of a chunk: what shares an activation scale.
pub const BLOCK: usize = 32;

/// A repacked matrix.
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    format: Format,
    data: Data,
}

pub enum Data {
    /// `[rows, columns]` of f32.
    F32(Vec<f32>),
    /// `[rows, columns]` of 16-bit floats, and how a row becomes f32.
    Half(Vec<u16>, fn(u16) -> f32),
    /// Interleaved chunks.
    Quantized(Quantized),
}

/// `[groups, blocks]` of chunks.
pub struct Quantized {
    pub lanes: Vec<Lane>,
    pub shape: ChunkShape,
}

/// What a chunk consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkShape {
    /// How quants are stored.
    pub packing: Packing,
    /// Scales per row: 2 where 16 columns share one, else 1.
    pub groups: usize,
    /// Whether there are mins.
    pub has_min: bool,
    /// Stored quants are larger than the true ones by this much, so that none is negative.
    pub zero: u8,
}

/// How quants are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    /// Up to four bits: lane j holds columns 4j.. in its low nibbles, 16 + 4j.. in its high ones.
    Nibbles,
    /// Up to six bits: of each 16 columns a lane holds four in its low bits; the last four, whose lane there is not, lie two
    /// bits each in the top bits of the first three, the lowest in the first.
    Sixes,
    /// Lane j holds columns 4j..
    Bytes,
}

impl Packing {
    /// Lanes of quants in a chunk.
    fn lanes(self) -> usize {
        match self {
            Packing::Nibbles => 4,
            Packing::Sixes => 6,
            Packing::Bytes => 8,
        }
    }

    /// Byte `c` of a row in lane `lane`; `stored` tells the row's quants.
    fn pack(self, lane: usize, c: usize, stored: impl Fn(usize) -> u8) -> u8 {
        match self {
            Packing::Nibbles => stored(4 * lane + c) | stored(16 + 4 * lane + c) << 4,
            Packing::Sixes => {
                let (half, i) = (16 * (lane / 3), lane % 3);
                stored(half + 4 * i + c) | stored(half + 12 + c) >> (2 * i) << 6
            }
            Packing::Bytes => stored(4 * lane + c),
        }
    }

    /// The quant in column `column`; `byte` tells the row's bytes by lane and place.
    fn unpack(self, column: usize, byte: impl Fn(usize, usize) -> u8) -> u8 {
        let c = column % 4;
        match self {
            Packing::Nibbles => byte(column % 16 / 4, c) >> (column / 16 * 4) & 0x0f,
            Packing::Sixes => {
                let (first, i) = (column / 16 * 3, column % 16 / 4);
                match i {
                    3 => (0..3).map(|i| byte(first + i, c) >> 6 << (2 * i)).sum(),
                    _ => byte(first + i, c) & 0x3f,
                }
            }
            Packing::Bytes => byte(column / 4, c),
        }
    }
}

impl ChunkShape {
    fn of(blocks: &Blocks) -> Self {
        let (least, largest) = blocks.range;
        let packing = match largest.abs_diff(least) {
            ..16 => Packing::Nibbles,
            16..64 => Packing::Sixes,
            64.. => Packing::Bytes,
        };
        let zero = least.unsigned_abs();
        Self { packing, groups: BLOCK / blocks.group_len, has_min: blocks.has_min, zero }
    }

    /// Lanes before the quants.
    pub fn header(self) -> usize {
        self.groups * (1 + usize::from(self.has_min))
    }

    /// Lanes of a chunk.
    pub fn lanes(self) -> usize {
        self.header() + self.packing.lanes()
    }
}

/// Bytes of memory that a matrix takes once it is repacked.
pub fn matrix_bytes(format: Format, rows: usize, columns: usize) -> u64 {
    let (rows, columns) = (rows as u64, columns as u64);
    match (format.layout(), format) {
        (Layout::Plain(..), Format::F32) => rows * columns * 4,
        (Layout::Plain(..), _) => rows * columns * 2,
        (Layout::Quantized(blocks), _) => {
            let lanes = ChunkShape::of(blocks).lanes() * size_of::<Lane>();
            rows.div_ceil(ROWS as u64) * (columns / BLOCK as u64) * lanes as u64
        }
    }
}

impl Matrix {
    /// A zero matrix.
    pub fn new(format: Format, rows: usize, columns: usize) -> Result<Self> {
        let data = match (format.layout(), format) {
            (Layout::Plain(..), Format::F32) => Data::F32(zeroed(rows * columns, "the weights")?),
            (Layout::Plain(..), Format::F16) => {
                Data::Half(zeroed(rows * columns, "the weights")?, f16_to_f32)
            }
            (Layout::Plain(..), _) => Data::Half(zeroed(rows * columns, "the weights")?, bf16_to_f32),
            (Layout::Quantized(blocks), _) => {
                let shape = ChunkShape::of(blocks);
                let chunks = rows.div_ceil(ROWS) * (columns / BLOCK);
                Data::Quantized(Quantized { lanes: zeroed(chunks * shape.lanes(), "the weights")?, shape })
            }
        };
        Ok(Self { rows, columns, format, data })
    }

    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Takes rows `first ..` in the file's format.
    pub fn write(&mut self, first: usize, bytes: &[u8]) {
        let at = first * self.columns;
        match &mut self.data {
            Data::F32(values) => {
                let source = bytes.as_chunks::<4>().0;
                values[at..].iter_mut().zip(source).for_each(|(v, &b)| *v = f32::from_le_bytes(b));
            }
            Data::Half(values, _) => {
                let source = bytes.as_chunks::<2>().0;
                values[at..].iter_mut().zip(source).for_each(|(v, &b)| *v = u16::from_le_bytes(b));
            }
            Data::Quantized(quantized) => {
                let Layout::Quantized(blocks) = self.format.layout() else { return };
                let row_bytes = self.format.row_bytes(self.columns);
                for (row, bytes) in (first..).zip(bytes.chunks_exact(row_bytes)) {
                    quantized.write_row(blocks, self.columns, row, bytes);
                }
            }
        }
    }

    /// Row `row` as f32.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        let range = row * self.columns..(row + 1) * self.columns;
        match &self.data {
            Data::F32(values) => out.copy_from_slice(&values[range]),
            Data::Half(values, widen) => out.iter_mut().zip(&values[range]).for_each(|(o, &v)| *o = widen(v)),
            Data::Quantized(quantized) => quantized.row(self.columns, row, out),
        }
    }
}

impl Quantized {
    fn chunk_start(&self, columns: usize, row: usize, block: usize) -> usize {
        (row / ROWS * (columns / BLOCK) + block) * self.shape.lanes()
    }

    fn write_row(&mut self, blocks: &Blocks, columns: usize, row: usize, bytes: &[u8]) {
        let mut unpacked = Unpacked::default();
        for (index, bytes) in bytes.chunks_exact(blocks.bytes).enumerate() {
            (blocks.unpack)(bytes, &mut unpacked);
            for part in 0..blocks.len / BLOCK {
                let start = self.chunk_start(columns, row, index * (blocks.len / BLOCK) + part);
                self.write_chunk_row(start, row % ROWS, &unpacked, part);
            }
        }
    }

    /// Writes one row's share of a chunk from part `part` (32 columns) of an unpacked block.
    fn write_chunk_row(&mut self, start: usize, lane: usize, unpacked: &Unpacked, part: usize) {
        let ChunkShape { packing, groups, has_min, zero } = self.shape;
        let header = self.shape.header();
        let chunk = &mut self.lanes[start..start + self.shape.lanes()];
        for group in 0..groups {
            chunk[group].set_f32(lane, unpacked.scale[part * groups + group]);
            if has_min {
                chunk[groups + group].set_f32(lane, unpacked.min[part * groups + group]);
            }
        }
        let stored = |column: usize| zero.wrapping_add_signed(unpacked.q[part * BLOCK + column]);
        for (j, quants) in chunk[header..].iter_mut().enumerate() {
            for (c, byte) in quants.0[lane * 4..][..4].iter_mut().enumerate() {
                *byte = packing.pack(j, c, stored);
            }
        }
    }

    fn row(&self, columns: usize, row: usize, out: &mut [f32]) {
        let ChunkShape { packing, groups, has_min, zero } = self.shape;
        let header = self.shape.header();
        let lane = row % ROWS;
        for (block, out) in out.chunks_exact_mut(BLOCK).enumerate() {
            let start = self.chunk_start(columns, row, block);
            let chunk = &self.lanes[start..start + self.shape.lanes()];
            for (column, out) in out.iter_mut().enumerate() {
                let stored = packing.unpack(column, |j, c| chunk[header + j].0[lane * 4 + c]);
                let group = column * groups / BLOCK;
                let product = chunk[group].f32(lane) * (f32::from(stored) - f32::from(zero));
                *out = if has_min { product + chunk[groups + group].f32(lane) } else { product };
            }
        }
    }
}

/// Branch-free, so that it vectorises. Infinities and NaNs, which no weight is, come out as large numbers.
fn f16_to_f32(bits: u16) -> f32 {
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    f32::from_bits(magnitude.to_bits() | u32::from(bits & 0x8000) << 16)
}

fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_widens_like_the_half_crate() {
        for bits in (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00) {
            assert_eq!(
                f16_to_f32(bits).to_bits(),
                half::f16::from_bits(bits).to_f32().to_bits(),
                "{bits:#06x}"
            );
        }
    }

    /// Repacking loses nothing: rows come back bit for bit, from any format, in any order of writing.
    #[test]
    fn rows_survive_repacking() {
        for &format in Format::ALL {
            let (rows, columns) = (7, 512);
            let row_bytes = format.row_bytes(columns);
            let bytes: Vec<u8> = (0..rows * row_bytes).map(|i| (i * 7919 % 251) as u8 & 0x3b).collect();
            let mut matrix = Matrix::new(format, rows, columns).unwrap();
            let stored = match matrix.data() {
                Data::F32(values) => size_of_val(&values[..]),
                Data::Half(values, _) => size_of_val(&values[..]),
                Data::Quantized(quantized) => size_of_val(&quantized.lanes[..]),
            };
            assert_eq!(matrix_bytes(format, rows, columns), stored as u64, "{format:?}");
            matrix.write(3, &bytes[3 * row_bytes..]);
            matrix.write(0, &bytes[..3 * row_bytes]);
            for row in 0..rows {
                let (mut expected, mut found) = (vec![0.0; columns], vec![1.0; columns]);
                format.dequantize(&bytes[row * row_bytes..][..row_bytes], &mut expected);
                matrix.row(row, &mut found);
                assert_eq!(expected, found, "{format:?} row {row}");
            }
        }
    }
}
