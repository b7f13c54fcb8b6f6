//! Q5_K: as Q4_K, with 32 bytes of fifth bits before the nibbles: bit g of byte j belongs to weight 32·g + j.

use super::{Blocks, Layout, Unpacked, q, q4_k};

pub(super) static LAYOUT: Layout =
    Layout::Quantized(Blocks { len: 256, bytes: 176, group_len: 32, range: (0, 31), has_min: true, unpack });

fn unpack(block: &[u8], out: &mut Unpacked) {
    q4_k::scales(block, out);
    let high = &block[16..48];
    for (i, &byte) in block[48..176].iter().enumerate() {
        let (run, j) = (i / 32, i % 32);
        out.q[run * 64 + j] = q(byte & 0x0f) | q(high[j] >> (2 * run) & 1) << 4;
        out.q[run * 64 + 32 + j] = q(byte >> 4) | q(high[j] >> (2 * run + 1) & 1) << 4;
    }
}
