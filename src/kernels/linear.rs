//! `r = W · norm(x) + bias`, for one or several stacked matrices, then an epilogue that writes `y`.

use super::activation::Activation;
use super::memory::{Memory, dot};
use super::norm::NormParams;
use crate::recording::{MatrixId, VectorId, View};

/// A matrix with its optional bias, `[rows]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    /// `[rows, columns]`
    pub matrix: MatrixId,
    /// `[rows]`
    pub bias: Option<VectorId>,
}

/// What becomes of `r`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Epilogue {
    /// `y = r`
    Store,
    /// `y = y + scale · r`
    Add(f32),
    /// `y = act(r)`
    Activate(Activation),
    /// Two matrices of equal shape, gate and up: `y = act(r_gate) · r_up`
    Gate(Activation),
    /// `y = act(r) · by`
    Multiply(Activation, View),
}

/// A projection.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// `[tokens, columns]`
    pub x: View,
    /// Normalises `x` first.
    pub norm: Option<NormParams>,
    /// Stacked by rows: `y` holds the first one's rows, then the second one's, …
    pub weights: Vec<Weight>,
    /// `[tokens, all rows]`, or `[tokens, rows of one]` after `Gate`.
    pub y: View,
    /// How `y` is written.
    pub epilogue: Epilogue,
}

impl Linear {
    /// The naive twin.
    pub fn naive(&self, m: &mut Memory) {
        for t in 0..m.tokens.len() {
            let mut x = m.row(self.x, t);
            if let Some(norm) = &self.norm {
                norm.naive(m, &mut x);
            }
            let r: Vec<f32> = self.weights.iter().flat_map(|weight| weight.naive(m, &x)).collect();
            let by = match self.epilogue {
                Epilogue::Multiply(_, view) => m.row(view, t),
                _ => Vec::new(),
            };
            let y = m.slice_mut(self.y, t);
            for i in 0..y.len() {
                y[i] = match self.epilogue {
                    Epilogue::Store => r[i],
                    Epilogue::Add(scale) => y[i] + scale * r[i],
                    Epilogue::Activate(act) => act.apply(r[i]),
                    Epilogue::Gate(act) => act.apply(r[i]) * r[y.len() + i],
                    Epilogue::Multiply(act, _) => act.apply(r[i]) * by[i],
                };
            }
        }
    }
}

impl Weight {
    /// `W · x + bias`
    pub fn naive(&self, m: &Memory, x: &[f32]) -> Vec<f32> {
        let matrix = m.matrix(self.matrix);
        let bias = |row: usize| self.bias.map_or(0.0, |id| m.vector(id)[row]);
        (0..matrix.rows).map(|row| dot(matrix.row(row), x) + bias(row)).collect()
    }
}
