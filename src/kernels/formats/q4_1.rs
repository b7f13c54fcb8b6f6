//! Q4_1: `d: f16`, `m: f16`, 16 bytes of nibbles as in Q4_0, unsigned.

use super::{Blocks, Layout, Unpacked, f16_at, q};

pub(super) static LAYOUT: Layout =
    Layout::Quantized(Blocks { len: 32, bytes: 20, group_len: 32, range: (0, 15), has_min: true, unpack });

fn unpack(block: &[u8], out: &mut Unpacked) {
    out.scale[0] = f16_at(block, 0);
    out.min[0] = f16_at(block, 2);
    for (j, &byte) in block[4..20].iter().enumerate() {
        out.q[j] = q(byte & 0x0f);
        out.q[j + 16] = q(byte >> 4);
    }
}
