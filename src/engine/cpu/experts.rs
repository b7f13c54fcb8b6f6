//! A mixture of experts: per token, the chosen experts' rows of the stacked matrices.

use super::linear::{Projector, is_quantized};
use super::math::activate;
use super::matrix::Matrix;
use super::project::{Results, Segment, project};
use super::team::{Parts, Team};
use crate::kernels::activation::Activation;
use crate::kernels::experts::{Experts, Routing};
use crate::kernels::memory::Memory;

/// Runs an `Experts`.
pub fn run(
    op: &Experts,
    team: &Team,
    matrices: &[Matrix],
    projector: &mut Projector,
    routing: &mut Routing,
    m: &mut Memory,
) {
    let [gate, up, down] = [op.gate, op.up, op.down].map(|id| &matrices[id.0]);
    let hidden = op.x.width;
    for t in 0..m.tokens.len() {
        let bias = op.selection_bias.map(|id| m.vector(id));
        op.route(m.slice(op.scores, t), bias, routing);
        for &(expert, weight) in routing.chosen() {
            projector.set_input(m.slice(op.x, t), is_quantized(gate) || is_quantized(up));
            let rows = expert * op.width..(expert + 1) * op.width;
            let inner = |i: usize| Segment { matrix: if i == 0 { gate } else { up }, rows: rows.clone() };
            projector.project(team, 2, &inner, 2 * op.width);
            projector.gate(op.activation, is_quantized(down));
            let outer = |_| Segment { matrix: down, rows: expert * hidden..(expert + 1) * hidden };
            projector.project(team, 1, &outer, hidden);
            let y = m.slice_mut(op.y, t);
            y.iter_mut().zip(&projector.r).for_each(|(y, r)| *y += op.scale * weight * r);
        }
    }
}

impl Projector {
    /// Makes `x` the only input.
    fn set_input(&mut self, x: &[f32], quantized: bool) {
        self.inputs.x.clear();
        self.inputs.x.extend_from_slice(x);
        self.quantize(quantized);
    }

    /// Makes `act(gate) · up` of the results, gate and up one after the other, the only input.
    fn gate(&mut self, act: Activation, quantized: bool) {
        let half = self.r.len() / 2;
        let (gate, up) = self.r.split_at_mut(half);
        activate(act, gate);
        self.inputs.x.clear();
        self.inputs.x.extend(gate.iter().zip(up).map(|(gate, up)| *gate * *up));
        self.quantize(quantized);
    }

    fn quantize(&mut self, quantized: bool) {
        if quantized {
            self.inputs.acts.resize(1, self.inputs.x.len());
            // SAFETY: the only row, and nobody else is there.
            unsafe { self.inputs.acts.rows().set(0, &self.inputs.x) };
        }
    }

    fn project<'a>(
        &mut self,
        team: &Team,
        count: usize,
        segment: &(dyn Fn(usize) -> Segment<'a> + Sync),
        rows: usize,
    ) {
        self.r.resize(rows, 0.0);
        let results = Results { r: Parts::of(&mut self.r), stride: rows, offset: 0 };
        project(team, count, segment, &self.inputs, results);
    }
}
