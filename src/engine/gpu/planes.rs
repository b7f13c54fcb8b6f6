//! How weights lie in GPU memory: quants in 16-byte words, scales apart, one description for all formats of a width.

use super::device::Device;
use crate::error::Result;
use crate::kernels::formats::{Blocks, Format, Layout, Unpacked};

/// Columns that are loaded together; rows are padded to whole blocks with zeros.
pub const BLOCK: usize = 32;

/// What a block of 32 weights consists of. The WGSL prelude of the same name reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Planes {
    /// 32 bits each.
    F32,
    /// 16 bits each: upper halves of f32, or IEEE half precision.
    Halves {
        /// Upper halves of f32.
        brain: bool,
    },
    /// Nibbles, byte j of a block holding weights j and 16 + j; `groups` scales and as many mins.
    Nibbles {
        /// Scales of a block.
        groups: usize,
        /// Whether there are mins.
        has_min: bool,
        /// Stored quants are larger than the true ones by this much.
        zero: i8,
    },
    /// Signed bytes in order; `groups` scales and as many mins.
    Bytes {
        /// Scales of a block.
        groups: usize,
        /// Whether there are mins.
        has_min: bool,
    },
}

/// What goes before the preludes of quantised weights.
fn scaled(groups: usize, has_min: bool) -> String {
    format!("const GROUPS: u32 = {groups}u;\nconst HAS_MIN: bool = {has_min};\n{}", wgsl!("weights_scales"))
}

impl Planes {
    /// The planes that hold weights of `format` without loss.
    pub fn of(format: Format) -> Self {
        match (format.layout(), format) {
            (Layout::Plain(..), Format::F32) => Planes::F32,
            (Layout::Plain(..), _) => Planes::Halves { brain: format == Format::BF16 },
            (Layout::Quantized(blocks), _) => {
                let &Blocks { range: (low, high), group_len, has_min, .. } = blocks;
                let groups = BLOCK / group_len;
                if i16::from(high) - i16::from(low) < 16 {
                    Planes::Nibbles { groups, has_min, zero: -low }
                } else {
                    Planes::Bytes { groups, has_min }
                }
            }
        }
    }

    /// Bytes of quants in a block.
    pub fn quant_bytes(self) -> usize {
        match self {
            Planes::F32 => 4 * BLOCK,
            Planes::Halves { .. } => 2 * BLOCK,
            Planes::Nibbles { .. } => BLOCK / 2,
            Planes::Bytes { .. } => BLOCK,
        }
    }

    /// Scales and mins in a block, f32 each.
    pub fn scales(self) -> usize {
        match self {
            Planes::F32 | Planes::Halves { .. } => 0,
            Planes::Nibbles { groups, has_min, .. } | Planes::Bytes { groups, has_min } => {
                groups * (1 + usize::from(has_min))
            }
        }
    }

    /// The source of the prelude that reads these planes.
    pub fn prelude(self) -> String {
        match self {
            Planes::F32 => wgsl!("weights_f32").into(),
            Planes::Halves { brain } => {
                format!("const BRAIN: bool = {brain};\n{}", wgsl!("weights_halves"))
            }
            Planes::Nibbles { groups, has_min, zero } => {
                scaled(groups, has_min) + &format!("const ZERO: f32 = {zero}.0;\n") + wgsl!("weights_nibbles")
            }
            Planes::Bytes { groups, has_min } => scaled(groups, has_min) + wgsl!("weights_bytes"),
        }
    }

    /// Whether they are integers, which can be multiplied with bytes.
    pub fn is_packed(self) -> bool {
        matches!(self, Planes::Nibbles { .. } | Planes::Bytes { .. })
    }

    /// Repacks rows of `columns` weights from the file's format; appends to `quants` and `scales`.
    pub fn repack(
        self,
        format: Format,
        columns: usize,
        bytes: &[u8],
        quants: &mut Vec<u8>,
        scales: &mut Vec<f32>,
    ) {
        let padded = columns.div_ceil(BLOCK) * self.quant_bytes();
        for row in bytes.chunks_exact(format.row_bytes(columns)) {
            let end = quants.len() + padded;
            match format.layout() {
                Layout::Plain(..) => quants.extend_from_slice(row),
                Layout::Quantized(blocks) => {
                    let mut unpacked = Unpacked::default();
                    for block in row.chunks_exact(blocks.bytes) {
                        (blocks.unpack)(block, &mut unpacked);
                        for part in 0..blocks.len / BLOCK {
                            self.repack_block(&unpacked, part, quants, scales);
                        }
                    }
                }
            }
            quants.resize(end, 0);
        }
    }

    /// Appends part `part` (32 weights) of an unpacked block.
    fn repack_block(self, unpacked: &Unpacked, part: usize, quants: &mut Vec<u8>, scales: &mut Vec<f32>) {
        let q = &unpacked.q[part * BLOCK..][..BLOCK];
        let (groups, has_min) = match self {
            Planes::Nibbles { groups, has_min, zero } => {
                let stored = |column: usize| (q[column] + zero).cast_unsigned();
                quants.extend((0..BLOCK / 2).map(|j| stored(j) | stored(j + BLOCK / 2) << 4));
                (groups, has_min)
            }
            Planes::Bytes { groups, has_min } => {
                quants.extend(q.iter().map(|q| q.cast_unsigned()));
                (groups, has_min)
            }
            Planes::F32 | Planes::Halves { .. } => return,
        };
        scales.extend_from_slice(&unpacked.scale[part * groups..][..groups]);
        if has_min {
            scales.extend_from_slice(&unpacked.min[part * groups..][..groups]);
        }
    }
}

/// Rows of one shape in GPU memory: a matrix, or several stacked ones that one dispatch multiplies.
pub struct Store {
    /// How blocks look.
    pub planes: Planes,
    /// Length of a row.
    pub columns: usize,
    /// Rows of each segment but the last: more do not fit into a binding.
    pub segment_rows: usize,
    /// Consecutive rows.
    pub segments: Vec<Segment>,
}

/// Rows that fit into one binding.
pub struct Segment {
    /// Number of rows.
    pub rows: usize,
    /// `[rows, blocks]`
    pub quants: wgpu::Buffer,
    /// `[rows, blocks, scales]`; absent for plain floats.
    pub scales: Option<wgpu::Buffer>,
}

impl Store {
    /// Room for `rows` rows. Segments hold whole multiples of `unit` rows.
    ///
    /// # Errors
    /// `out_of_memory` for a unit that fits into no binding.
    pub fn new(device: &Device, planes: Planes, rows: usize, columns: usize, unit: usize) -> Result<Self> {
        let blocks = columns.div_ceil(BLOCK);
        let (quant_bytes, scale_bytes) = (blocks * planes.quant_bytes(), blocks * planes.scales() * 4);
        let units = device.binding_bytes() / (quant_bytes.max(scale_bytes) * unit);
        device.check_fits(units, quant_bytes * unit)?;
        let segment_rows = units * unit;
        let segments = (0..rows).step_by(segment_rows).map(|first| {
            let rows = segment_rows.min(rows - first);
            let scales = (scale_bytes > 0).then(|| device.buffer("scales", rows * scale_bytes));
            Segment { rows, quants: device.buffer("quants", rows * quant_bytes), scales }
        });
        Ok(Self { planes, columns, segment_rows, segments: segments.collect() })
    }

    /// Takes rows `first ..` in the format of the file.
    pub fn write(&self, device: &mut Device, format: Format, first: usize, bytes: &[u8]) {
        let blocks = self.columns.div_ceil(BLOCK);
        let row_bytes = format.row_bytes(self.columns);
        let mut at = first;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (index, row) = (at / self.segment_rows, at % self.segment_rows);
            let segment = &self.segments[index];
            let count = (rest.len() / row_bytes).min(segment.rows - row);
            let (now, later) = rest.split_at(count * row_bytes);
            let (mut quants, mut scales) = (Vec::new(), Vec::new());
            self.planes.repack(format, self.columns, now, &mut quants, &mut scales);
            device.write(&segment.quants, row * blocks * self.planes.quant_bytes(), &quants);
            if let Some(buffer) = &segment.scales {
                device.write(buffer, row * blocks * self.planes.scales() * 4, bytemuck::cast_slice(&scales));
            }
            (at, rest) = (at + count, later);
        }
    }
}
