//! `y[t, :] = scale · table[token[t], :]`

use super::memory::Memory;
use crate::recording::{MatrixId, View};

/// Rows of an embedding table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Embed {
    /// `[vocabulary, width]`
    pub table: MatrixId,
    /// Factor of every element.
    pub scale: f32,
    /// `[tokens, width]`
    pub y: View,
}

impl Embed {
    /// The naive twin.
    pub fn naive(&self, m: &mut Memory) {
        for t in 0..m.tokens.len() {
            let row: Vec<f32> =
                m.matrix(self.table).row(m.tokens[t] as usize).iter().map(|w| w * self.scale).collect();
            m.slice_mut(self.y, t).copy_from_slice(&row);
        }
    }
}
