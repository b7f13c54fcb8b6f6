//! Q4_K: `d: f16`, `dmin: f16`, 12 bytes of eight 6-bit scales and mins, 128 bytes of nibbles.
//!
//! Byte j of run r (32 bytes) holds weight 64·r + j in its low and 64·r + 32 + j in its high nibble.

use super::{Blocks, Layout, Unpacked, f16_at, q, scale_min_k4};

pub(super) static LAYOUT: Layout =
    Layout::Quantized(Blocks { len: 256, bytes: 144, group_len: 32, range: (0, 15), has_min: true, unpack });

fn unpack(block: &[u8], out: &mut Unpacked) {
    scales(block, out);
    for (i, &byte) in block[16..144].iter().enumerate() {
        let low = i / 32 * 64 + i % 32;
        out.q[low] = q(byte & 0x0f);
        out.q[low + 32] = q(byte >> 4);
    }
}

/// Shared with Q5_K: the eight scales and mins of the first 16 bytes.
pub(super) fn scales(block: &[u8], out: &mut Unpacked) {
    let (d, dmin) = (f16_at(block, 0), f16_at(block, 2));
    for group in 0..8 {
        let (scale, min) = scale_min_k4(&block[4..16], group);
        out.scale[group] = d * f32::from(scale);
        out.min[group] = -(dmin * f32::from(min));
    }
}
