//! Q5_1: `d: f16`, `m: f16`, 32 fifth bits, 16 bytes of nibbles; unsigned.

use super::q5_0::fifth_bits_and_nibbles;
use super::{Blocks, Layout, Unpacked, f16_at};

pub(super) static LAYOUT: Layout =
    Layout::Quantized(Blocks { len: 32, bytes: 24, group_len: 32, range: (0, 31), has_min: true, unpack });

fn unpack(block: &[u8], out: &mut Unpacked) {
    out.scale[0] = f16_at(block, 0);
    out.min[0] = f16_at(block, 2);
    fifth_bits_and_nibbles(&block[4..24], out);
}
