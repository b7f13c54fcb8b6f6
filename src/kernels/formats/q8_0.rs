//! Q8_0: `d: f16`, 32 signed bytes.

use super::{Blocks, Layout, Unpacked, f16_at};

pub(super) static LAYOUT: Layout = Layout::Quantized(Blocks {
    len: 32,
    bytes: 34,
    group_len: 32,
    range: (-128, 127),
    has_min: false,
    unpack,
});

fn unpack(block: &[u8], out: &mut Unpacked) {
    out.scale[0] = f16_at(block, 0);
    out.min[0] = 0.0;
    for (value, &byte) in out.q.iter_mut().zip(&block[2..34]) {
        *value = byte.cast_signed();
    }
}

/// Quantises 32 weights as ggml does: the largest magnitude becomes ±127.
pub fn quantize(weights: &[f32; 32], block: &mut [u8; 34]) {
    let largest = weights.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    block[..2].copy_from_slice(&half::f16::from_f32(scale).to_le_bytes());
    for (byte, weight) in block[2..].iter_mut().zip(weights) {
        #[allow(clippy::cast_possible_truncation, reason = "at most 127 in magnitude")]
        let value = (weight * inverse).round() as i8;
        *byte = value.cast_unsigned();
    }
}
