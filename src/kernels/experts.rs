//! A mixture of experts: `y = y + scale · Σ_e w_e · down_e(act(gate_e · x) · (up_e · x))` over the chosen experts.
//!
//! The `used` experts with the largest selection score are chosen; their weights are the softmax or sigmoid
//! of their scores, renormalised to sum 1 if asked for. Source: Shazeer et al. 2017; selection bias: DeepSeek-V3.

use super::activation::{Activation, sigmoid, softmax};
use super::memory::{Memory, dot};
use crate::recording::{MatrixId, VectorId, View};

/// How scores become weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gating {
    /// Softmax over all experts.
    Softmax,
    /// Each expert's own sigmoid.
    Sigmoid,
}

/// Expert matrices are stacked by rows: expert e owns rows `e · rows ..`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Experts {
    /// `[tokens, hidden]`, normalised.
    pub x: View,
    /// `[tokens, experts]`, raw router scores.
    pub scores: View,
    /// `[experts · width, hidden]`
    pub gate: MatrixId,
    /// `[experts · width, hidden]`
    pub up: MatrixId,
    /// `[experts · hidden, width]`
    pub down: MatrixId,
    /// Width of one expert.
    pub width: usize,
    /// Experts chosen per token.
    pub used: usize,
    /// Scores to weights.
    pub gating: Gating,
    /// Added to the weights for the choice only, `[experts]`.
    pub selection_bias: Option<VectorId>,
    /// Divide the chosen weights by their sum.
    pub renormalise: bool,
    /// Activation of the gate.
    pub activation: Activation,
    /// Factor of the result.
    pub scale: f32,
    /// `[tokens, hidden]`, added to.
    pub y: View,
}

/// One token's experts; kept from one token to the next, so that its room is.
#[derive(Debug, Default)]
pub struct Routing {
    weights: Vec<f32>,
    /// Experts, the best first, and their weights; the chosen ones only, once chosen.
    order: Vec<(usize, f32)>,
}

impl Routing {
    /// The chosen experts and their weights.
    pub fn chosen(&self) -> &[(usize, f32)] {
        &self.order
    }
}

impl Experts {
    /// Chooses experts by one token's raw scores.
    pub fn route(&self, scores: &[f32], selection_bias: Option<&[f32]>, routing: &mut Routing) {
        let Routing { weights, order } = routing;
        weights.clear();
        weights.extend_from_slice(scores);
        match self.gating {
            Gating::Softmax => softmax(weights),
            Gating::Sigmoid => weights.iter_mut().for_each(|w| *w = sigmoid(*w)),
        }
        let selection = |e: usize| weights[e] + selection_bias.map_or(0.0, |bias| bias[e]);
        order.clear();
        order.extend(weights.iter().copied().enumerate());
        // The first of equals comes first, as a stable sort would have it; sorting in place allocates nothing.
        order.sort_unstable_by(|&(a, _), &(b, _)| selection(b).total_cmp(&selection(a)).then(a.cmp(&b)));
        order.truncate(self.used);
        let sum: f32 = if self.renormalise { order.iter().map(|(_, weight)| weight).sum() } else { 1.0 };
        order.iter_mut().for_each(|(_, weight)| *weight /= sum);
    }

    /// The naive twin.
    pub fn naive(&self, m: &mut Memory) {
        let mut routing = Routing::default();
        for t in 0..m.tokens.len() {
            let x = m.row(self.x, t);
            let bias = self.selection_bias.map(|id| m.vector(id));
            self.route(m.slice(self.scores, t), bias, &mut routing);
            for &(expert, weight) in routing.chosen() {
                let (gate, up) = (m.matrix(self.gate), m.matrix(self.up));
                let act: Vec<f32> = (expert * self.width..(expert + 1) * self.width)
                    .map(|row| self.activation.apply(dot(gate.row(row), &x)) * dot(up.row(row), &x))
                    .collect();
                let down = m.matrix(self.down);
                let hidden = x.len();
                let out: Vec<f32> =
                    (0..hidden).map(|row| dot(down.row(expert * hidden + row), &act)).collect();
                let y = m.slice_mut(self.y, t);
                y.iter_mut().zip(out).for_each(|(y, out)| *y += self.scale * weight * out);
            }
        }
    }
}
