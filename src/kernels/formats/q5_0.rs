//! Q5_0: `d: f16`, 32 fifth bits, 16 bytes of nibbles as in Q4_0; weights + 16.

use super::{Blocks, Layout, Unpacked, f16_at, q};

pub(super) static LAYOUT: Layout =
    Layout::Quantized(Blocks { len: 32, bytes: 22, group_len: 32, range: (-16, 15), has_min: false, unpack });

fn unpack(block: &[u8], out: &mut Unpacked) {
    out.scale[0] = f16_at(block, 0);
    out.min[0] = 0.0;
    fifth_bits_and_nibbles(&block[2..22], out);
    for value in &mut out.q[..32] {
        *value -= 16;
    }
}

/// Shared with Q5_1: `bytes` are 4 bytes of fifth bits and 16 of nibbles.
pub(super) fn fifth_bits_and_nibbles(bytes: &[u8], out: &mut Unpacked) {
    let high = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let bit = |index: usize| q((high >> index & 1) as u8) << 4;
    for (j, &byte) in bytes[4..20].iter().enumerate() {
        out.q[j] = q(byte & 0x0f) | bit(j);
        out.q[j + 16] = q(byte >> 4) | bit(j + 16);
    }
}
