//! Q6_K: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales, `d: f16`; weights + 32.
//!
//! Weights come in halves of 128: weight 32·s + j of a half has its low nibble in byte 32·(s % 2) + j
//! (low half-byte for s < 2) and its upper bits in bits 2s.. of high byte j.

use super::{Blocks, Layout, Unpacked, f16_at, q};

pub(super) static LAYOUT: Layout = Layout::Quantized(Blocks {
    len: 256,
    bytes: 210,
    group_len: 16,
    range: (-32, 31),
    has_min: false,
    unpack,
});

fn unpack(block: &[u8], out: &mut Unpacked) {
    let d = f16_at(block, 208);
    for (group, &scale) in block[192..208].iter().enumerate() {
        out.scale[group] = d * f32::from(scale.cast_signed());
        out.min[group] = 0.0;
    }
    for (i, value) in out.q.iter_mut().enumerate() {
        let (half, s, j) = (i / 128, i % 128 / 32, i % 32);
        let low = block[half * 64 + (s % 2) * 32 + j] >> (4 * (s / 2)) & 0x0f;
        let high = block[128 + half * 32 + j] >> (2 * s) & 3;
        *value = q(low | high << 4) - 32;
    }
}
