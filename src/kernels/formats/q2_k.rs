//! Q2_K: 16 bytes of 4-bit scale and min, 64 bytes of 2-bit weights, `d: f16`, `dmin: f16`.
//!
//! Weights come in halves of 128; within a half, bits 2s..2s+2 of byte j are weight 32·s + j.

use super::{Blocks, Layout, Unpacked, f16_at, q};

pub(super) static LAYOUT: Layout =
    Layout::Quantized(Blocks { len: 256, bytes: 84, group_len: 16, range: (0, 3), has_min: true, unpack });

fn unpack(block: &[u8], out: &mut Unpacked) {
    let (d, dmin) = (f16_at(block, 80), f16_at(block, 82));
    for (group, &packed) in block[..16].iter().enumerate() {
        out.scale[group] = d * f32::from(packed & 0x0f);
        out.min[group] = -(dmin * f32::from(packed >> 4));
    }
    for (i, value) in out.q.iter_mut().enumerate() {
        let (half, shift, j) = (i / 128, i % 128 / 32, i % 32);
        *value = q(block[16 + half * 32 + j] >> (2 * shift) & 3);
    }
}
