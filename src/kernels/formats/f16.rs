//! F16: IEEE half precision, little-endian.

use super::{Layout, f16_at};

pub(super) static LAYOUT: Layout = Layout::Plain(2, |b| f16_at(b, 0));
