//! Q4_0: `d: f16`, 16 bytes; byte j holds weight j in its low and weight j + 16 in its high nibble, each + 8.

use super::{Blocks, Layout, Unpacked, f16_at, q};

pub(super) static LAYOUT: Layout =
    Layout::Quantized(Blocks { len: 32, bytes: 18, group_len: 32, range: (-8, 7), has_min: false, unpack });

fn unpack(block: &[u8], out: &mut Unpacked) {
    out.scale[0] = f16_at(block, 0);
    out.min[0] = 0.0;
    for (j, &byte) in block[2..18].iter().enumerate() {
        out.q[j] = q(byte & 0x0f) - 8;
        out.q[j + 16] = q(byte >> 4) - 8;
    }
}

/// Quantises 32 weights as ggml does: the value of largest magnitude becomes −8.
pub fn quantize(weights: &[f32; 32], block: &mut [u8; 18]) {
    let extreme = weights.iter().copied().fold(0.0f32, |a, b| if b.abs() > a.abs() { b } else { a });
    let scale = extreme / -8.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    block[..2].copy_from_slice(&half::f16::from_f32(scale).to_le_bytes());
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=15")]
    let nibble = |w: f32| (w * inverse + 8.5).clamp(0.0, 15.0) as u8;
    for j in 0..16 {
        block[2 + j] = nibble(weights[j]) | (nibble(weights[j + 16]) << 4);
    }
}
