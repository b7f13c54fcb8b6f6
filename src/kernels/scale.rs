//! `x = x · by[0]`

use super::memory::Memory;
use crate::recording::{VectorId, View};

/// Multiplies by a learned scalar (Gemma 4's layer output scale).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// `[tokens, width]`
    pub x: View,
    /// `[1]`
    pub by: VectorId,
}

impl Scale {
    /// The naive twin.
    pub fn naive(&self, m: &mut Memory) {
        let by = m.vector(self.by)[0];
        for t in 0..m.tokens.len() {
            m.slice_mut(self.x, t).iter_mut().for_each(|v| *v *= by);
        }
    }
}
