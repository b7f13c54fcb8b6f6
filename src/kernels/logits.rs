//! `logits[t, :] = cap(scale · W · norm(x[t, :]))`, `cap(v) = c · tanh(v / c)`, only for the tokens whose logits are wanted.

use super::linear::Weight;
use super::memory::Memory;
use super::norm::NormParams;
use crate::recording::View;

/// The final norm and the output projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logits {
    /// `[tokens, hidden]`
    pub x: View,
    /// The final norm.
    pub norm: NormParams,
    /// `[vocabulary, hidden]`
    pub weight: Weight,
    /// Factor of the logits.
    pub scale: f32,
    /// Soft cap.
    pub softcap: Option<f32>,
}

impl Logits {
    /// The naive twin.
    pub fn naive(&self, m: &mut Memory) {
        m.logits.clear();
        for t in m.first_logits..m.tokens.len() {
            let mut x = m.row(self.x, t);
            self.norm.naive(m, &mut x);
            let row = self.weight.naive(m, &x);
            m.logits.extend(row.into_iter().map(|v| self.finish(v)));
        }
    }

    /// Scale and cap of one raw logit.
    pub fn finish(&self, raw: f32) -> f32 {
        let scaled = raw * self.scale;
        self.softcap.map_or(scaled, |cap| cap * (scaled / cap).tanh())
    }
}
