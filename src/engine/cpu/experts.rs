//! A mixture of experts: per token, the chosen experts' rows of the stacked matrices.

use super::linear::is_quantized;
use super::matrix::Matrix;
use super::project::Projector;
use crate::kernels::experts::Experts;
use crate::kernels::memory::Memory;

/// Runs an `Experts`.
pub fn run(op: &Experts, matrices: &[Matrix], projector: &mut Projector, m: &mut Memory) {
    let (gate, up, down) = (&matrices[op.gate.0], &matrices[op.up.0], &matrices[op.down.0]);
    let hidden = op.x.width;
    for t in 0..m.tokens.len() {
        let bias = op.selection_bias.map(|id| m.vector(id));
        for (expert, weight) in op.route(m.slice(op.scores, t), bias) {
            set_input(projector, m.slice(op.x, t), is_quantized(gate) || is_quantized(up));
            projector.r.resize(2 * op.width, 0.0);
            let rows = expert * op.width..(expert + 1) * op.width;
            projector.project(gate, rows.clone(), 0, 2 * op.width);
            projector.project(up, rows, op.width, 2 * op.width);
            let (gated, upper) = projector.r.split_at(op.width);
            let inner: Vec<f32> = gated.iter().zip(upper).map(|(g, u)| op.activation.apply(*g) * u).collect();
            set_input(projector, &inner, is_quantized(down));
            projector.r.resize(hidden, 0.0);
            projector.project(down, expert * hidden..(expert + 1) * hidden, 0, hidden);
            let y = m.slice_mut(op.y, t);
            y.iter_mut().zip(&projector.r).for_each(|(y, r)| *y += op.scale * weight * r);
        }
    }
}

fn set_input(projector: &mut Projector, x: &[f32], quantized: bool) {
    projector.x.clear();
    projector.x.extend_from_slice(x);
    if quantized {
        projector.quantize(x.len());
    }
}
