//! `Linear` and `Logits`: gather and normalise the input, project, write through the epilogue.

use super::math::{activate, dot};
use super::matrix::{Data, Matrix};
use super::project::{Inputs, Results, Segment, project};
use super::team::{Parts, Team};
use crate::kernels::linear::{Epilogue, Linear, Weight};
use crate::kernels::logits::Logits;
use crate::kernels::memory::Memory;
use crate::kernels::norm::NormParams;
use crate::recording::View;

/// Tokens of a piece where the work per token is small.
const TOKENS: usize = 4;

/// Inputs and results of projections, kept from one to the next.
#[derive(Default)]
pub struct Projector {
    /// What goes in.
    pub inputs: Inputs,
    /// `[tokens, rows]`: what comes out.
    pub r: Vec<f32>,
}

impl Projector {
    /// Copies `x` from token `first` on, normalised, and quantises it if that is asked for.
    fn gather(
        &mut self,
        team: &Team,
        m: &Memory,
        x: View,
        first: usize,
        norm: Option<NormParams>,
        quantized: bool,
    ) {
        let tokens = m.tokens.len() - first;
        self.inputs.x.resize(tokens * x.width, 0.0);
        if quantized {
            self.inputs.acts.resize(tokens, x.width);
        }
        let (rows, acts) = (Parts::of(&mut self.inputs.x), self.inputs.acts.rows());
        each_token(team, tokens, &|t| {
            // SAFETY: a token is in one piece only.
            let row = unsafe { rows.get(t * x.width, x.width) };
            row.copy_from_slice(m.slice(x, first + t));
            if let Some(norm) = &norm {
                normalise(m, norm, row);
            }
            if quantized {
                // SAFETY: as above.
                unsafe { acts.set(t, row) };
            }
        });
    }

    /// `r[t, ..] = W · x + bias` for stacked matrices; returns the stride of `r`.
    fn stacked(
        &mut self,
        team: &Team,
        weights: &[Weight],
        matrices: &[Matrix],
        m: &Memory,
        tokens: usize,
    ) -> usize {
        let stride = weights.iter().map(|weight| matrices[weight.matrix.0].rows).sum();
        self.r.resize(tokens * stride, 0.0);
        let segment = |i: usize| Segment::whole(&matrices[weights[i].matrix.0]);
        let results = Results { r: Parts::of(&mut self.r), stride, offset: 0 };
        project(team, weights.len(), &segment, &self.inputs, results);
        let mut offset = 0;
        for weight in weights {
            if let Some(bias) = weight.bias {
                for row in self.r.chunks_exact_mut(stride) {
                    row[offset..].iter_mut().zip(m.vector(bias)).for_each(|(r, b)| *r += b);
                }
            }
            offset += matrices[weight.matrix.0].rows;
        }
        stride
    }

    /// Runs a `Linear`.
    pub fn linear(&mut self, team: &Team, op: &Linear, matrices: &[Matrix], m: &mut Memory) {
        let tokens = m.tokens.len();
        let quantized = op.weights.iter().any(|weight| is_quantized(&matrices[weight.matrix.0]));
        self.gather(team, m, op.x, 0, op.norm, quantized);
        let stride = self.stacked(team, &op.weights, matrices, m, tokens);
        let mut y = std::mem::take(&mut m.buffers[op.y.buf.0]);
        let width = m.widths[op.y.buf.0];
        let (rows, results) = (Parts::of(&mut y), Parts::of(&mut self.r));
        each_token(team, tokens, &|t| {
            // SAFETY: a token is in one piece only.
            let (y, r) = unsafe { (rows.get(t * width, width), results.get(t * stride, stride)) };
            finish(op, m, t, r, y);
        });
        m.buffers[op.y.buf.0] = y;
    }

    /// Runs `Logits` for the wanted tokens.
    pub fn logits(&mut self, team: &Team, op: &Logits, matrices: &[Matrix], m: &mut Memory) {
        let matrix = &matrices[op.weight.matrix.0];
        let wanted = m.tokens.len() - m.first_logits;
        self.gather(team, m, op.x, m.first_logits, Some(op.norm), is_quantized(matrix));
        self.stacked(team, &[op.weight], matrices, m, wanted);
        // The logits are the results themselves: large, and not to be copied.
        std::mem::swap(&mut m.logits, &mut self.r);
        if op.scale != 1.0 || op.softcap.is_some() {
            m.logits.iter_mut().for_each(|v| *v = op.finish(*v));
        }
    }
}

/// Calls `work` with every token, divided among the team.
pub fn each_token(team: &Team, tokens: usize, work: &(dyn Fn(usize) + Sync)) {
    team.split(tokens.div_ceil(TOKENS), &|piece, _| {
        (piece * TOKENS..tokens.min((piece + 1) * TOKENS)).for_each(work);
    });
}

/// Writes one token's result `r` through the epilogue; `row` is the token's row of the buffer that holds `op.y`.
fn finish(op: &Linear, m: &Memory, t: usize, r: &mut [f32], row: &mut [f32]) {
    if let Epilogue::Multiply(act, by) = op.epilogue {
        activate(act, r);
        let by = if by.buf == op.y.buf { &row[by.offset..][..by.width] } else { m.slice(by, t) };
        r.iter_mut().zip(by).for_each(|(r, by)| *r *= by);
    }
    let y = &mut row[op.y.offset..][..op.y.width];
    match op.epilogue {
        Epilogue::Store | Epilogue::Multiply(..) => y.copy_from_slice(r),
        Epilogue::Add(scale) => y.iter_mut().zip(r).for_each(|(y, r)| *y += scale * *r),
        Epilogue::Activate(act) => {
            activate(act, r);
            y.copy_from_slice(r);
        }
        Epilogue::Gate(act) => {
            let (gate, up) = r.split_at_mut(y.len());
            activate(act, gate);
            y.iter_mut().zip(gate.iter().zip(up)).for_each(|(y, (gate, up))| *y = gate * *up);
        }
    }
}

/// Whether a matrix meets quantised activations.
pub fn is_quantized(matrix: &Matrix) -> bool {
    matches!(matrix.data(), Data::Quantized(_))
}

/// `NormParams::naive`, with the sum of squares in several partial sums.
#[allow(clippy::cast_precision_loss, reason = "widths are far below 2^24")]
pub fn normalise(m: &Memory, norm: &NormParams, x: &mut [f32]) {
    if norm.centred {
        norm.naive(m, x);
        return;
    }
    let scale = 1.0 / (dot(x, x) / x.len() as f32 + norm.eps).sqrt();
    match norm.weight {
        Some(weight) => x.iter_mut().zip(m.vector(weight)).for_each(|(v, w)| *v *= scale * w),
        None => x.iter_mut().for_each(|v| *v *= scale),
    }
    if let Some(bias) = norm.bias {
        x.iter_mut().zip(m.vector(bias)).for_each(|(v, b)| *v += b);
    }
}
