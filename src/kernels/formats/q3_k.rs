//! Q3_K: 32 bytes of third bits, 64 bytes of 2-bit weights as in Q2_K, 12 bytes of sixteen 6-bit scales (+ 32), `d: f16`.
//!
//! A third bit that is *not* set subtracts 4.

use super::{Blocks, Layout, Unpacked, f16_at, q};

pub(super) static LAYOUT: Layout =
    Layout::Quantized(Blocks { len: 256, bytes: 110, group_len: 16, range: (-4, 3), has_min: false, unpack });

fn unpack(block: &[u8], out: &mut Unpacked) {
    let d = f16_at(block, 108);
    let packed = &block[96..108];
    for group in 0..16 {
        let low = packed[group % 8] >> (4 * (group / 8)) & 0x0f;
        let high = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
        out.scale[group] = d * f32::from(q(low | high << 4) - 32);
        out.min[group] = 0.0;
    }
    for (i, value) in out.q.iter_mut().enumerate() {
        let (half, shift, j) = (i / 128, i % 128 / 32, i % 32);
        let low = q(block[32 + half * 32 + j] >> (2 * shift) & 3);
        let third = q(block[j] >> (4 * half + shift) & 1);
        *value = low - 4 * (1 - third);
    }
}
