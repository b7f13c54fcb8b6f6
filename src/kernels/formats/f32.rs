//! F32: four bytes, little-endian.

use super::Layout;

pub(super) static LAYOUT: Layout = Layout::Plain(4, |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
