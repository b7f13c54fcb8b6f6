//! `Linear` and `Logits`: gather and normalise the input, project, write through the epilogue.

use super::math::{activate, dot};
use super::matrix::{Data, Matrix};
use super::project::Projector;
use crate::kernels::linear::{Epilogue, Linear, Weight};
use crate::kernels::logits::Logits;
use crate::kernels::memory::Memory;
use crate::kernels::norm::NormParams;
use crate::recording::View;

impl Projector {
    /// Copies `x` from token `first` on, normalised, and quantises it if any of `weights` is quantised.
    pub fn gather(&mut self, m: &Memory, x: View, first: usize, norm: Option<NormParams>, quantized: bool) {
        self.x.clear();
        for t in first..m.tokens.len() {
            let start = self.x.len();
            self.x.extend_from_slice(m.slice(x, t));
            if let Some(norm) = &norm {
                normalise(m, norm, &mut self.x[start..]);
            }
        }
        if quantized {
            self.quantize(x.width);
        }
    }

    /// `r[t, ..] = W · x + bias` for stacked matrices; returns the stride of `r`.
    fn stacked(&mut self, weights: &[Weight], matrices: &[Matrix], m: &Memory, columns: usize) -> usize {
        let stride = weights.iter().map(|weight| matrices[weight.matrix.0].rows).sum();
        let tokens = self.x.len() / columns;
        self.r.resize(tokens * stride, 0.0);
        let mut offset = 0;
        for weight in weights {
            let matrix = &matrices[weight.matrix.0];
            self.project(matrix, 0..matrix.rows, offset, stride);
            if let Some(bias) = weight.bias {
                for row in self.r.chunks_exact_mut(stride) {
                    row[offset..].iter_mut().zip(m.vector(bias)).for_each(|(r, b)| *r += b);
                }
            }
            offset += matrix.rows;
        }
        stride
    }

    /// Runs a `Linear`.
    pub fn linear(&mut self, op: &Linear, matrices: &[Matrix], m: &mut Memory) {
        let quantized = op.weights.iter().any(|weight| is_quantized(&matrices[weight.matrix.0]));
        self.gather(m, op.x, 0, op.norm, quantized);
        let stride = self.stacked(&op.weights, matrices, m, op.x.width);
        for (t, r) in self.r.chunks_exact_mut(stride).enumerate() {
            finish(op, m, t, r);
        }
    }

    /// Runs `Logits` for the wanted tokens.
    pub fn logits(&mut self, op: &Logits, matrices: &[Matrix], m: &mut Memory) {
        let matrix = &matrices[op.weight.matrix.0];
        self.gather(m, op.x, m.first_logits, Some(op.norm), is_quantized(matrix));
        self.stacked(&[op.weight], matrices, m, op.x.width);
        m.logits.clear();
        m.logits.extend_from_slice(&self.r);
        if op.scale != 1.0 || op.softcap.is_some() {
            m.logits.iter_mut().for_each(|v| *v = op.finish(*v));
        }
    }
}

/// Writes one token's result `r` through the epilogue.
fn finish(op: &Linear, m: &mut Memory, t: usize, r: &mut [f32]) {
    if let Epilogue::Multiply(act, by) = op.epilogue {
        activate(act, r);
        r.iter_mut().zip(m.slice(by, t)).for_each(|(r, by)| *r *= by);
    }
    let y = m.slice_mut(op.y, t);
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
