//! BF16: the upper 16 bits of an f32, little-endian.

use super::Layout;

pub(super) static LAYOUT: Layout = Layout::Plain(2, |b| f32::from_le_bytes([0, 0, b[0], b[1]]));
