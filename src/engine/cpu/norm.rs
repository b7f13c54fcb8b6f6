//! `Norm`: a norm on its own.

use super::linear::normalise;
use crate::kernels::memory::Memory;
use crate::kernels::norm::{Norm, NormMode};

/// Runs a `Norm`; `row` is scratch.
pub fn run(op: &Norm, m: &mut Memory, row: &mut Vec<f32>) {
    for t in 0..m.tokens.len() {
        row.clear();
        row.extend_from_slice(m.slice(op.x, t));
        row.chunks_exact_mut(op.group).for_each(|group| normalise(m, &op.norm, group));
        let y = m.slice_mut(op.y, t);
        match op.mode {
            NormMode::Store => y.copy_from_slice(row),
            NormMode::Add(scale) => y.iter_mut().zip(&*row).for_each(|(y, n)| *y += scale * n),
        }
    }
}
