//! `Attention`: heads are prepared, then attend.

use super::program::{Grid, Kernel, Programmer, State, Words};
use crate::error::Result;
use crate::kernels::attention::Attention;
use crate::kernels::norm::NormParams;

/// Invocations of a workgroup.
const LANES: usize = 64;

impl Programmer<'_> {
    /// Norm, rotation, cache; then the weighted sum of values.
    pub fn attention(&mut self, op: &Attention) -> Result<()> {
        self.prepare(op)?;
        let temperature = op.temperature;
        let params = Words::default()
            .place(self.arena.place(op.q))
            .place(self.arena.place(op.y))
            .option(op.gate.map(|gate| self.arena.place(gate).at))
            .u(op.gate.map_or(0, |gate| self.arena.place(gate).stride))
            .u(op.heads)
            .u(op.kv_heads)
            .u(op.key_dim)
            .u(op.value_dim)
            .f(op.scale)
            .f(op.softcap.unwrap_or(0.0))
            .option(op.window)
            .f(temperature.map_or(0.0, |temperature| temperature.factor))
            .u(temperature.map_or(1, |temperature| temperature.length.max(1)));
        let constants = format!(
            "const MAX_HEAD: u32 = {}u;\nconst OWNED: u32 = {}u;",
            op.key_dim,
            op.value_dim.div_ceil(LANES)
        );
        let sources = [constants.as_str(), wgsl!("activation"), wgsl!("attention")];
        let kernel =
            Kernel { label: "attention", sources: &sources, x: op.heads, grid: Grid::Tokens(1), params };
        self.push(kernel, Some(State::Cache(op.cache)))
    }

    fn prepare(&mut self, op: &Attention) -> Result<()> {
        let norms = [op.q_norm, op.k_norm, op.v_norm];
        let has = |index: usize| usize::from(norms[index].is_some()) << index;
        let part = |get: fn(&NormParams) -> Option<_>| norms.map(|norm| norm.as_ref().and_then(get));
        let weights = part(|norm| norm.weight).map(|id| self.vector(id));
        let biases = part(|norm| norm.bias).map(|id| self.vector(id));
        let eps = norms.map(|norm| norm.map_or(0.0, |norm| norm.eps));
        let rope = op.rope.map(|index| (self.vectors.rope(index), self.vectors.rope_pairs(index)));
        let q = self.arena.place(op.q);
        let (k, v) = op.kv.map_or((q, q), |(k, v)| (self.arena.place(k), self.arena.place(v)));
        let params = Words::default()
            .u(q.at)
            .u(k.at)
            .u(v.at)
            .u(q.stride)
            .u(op.heads)
            .u(op.kv_heads)
            .u(op.key_dim)
            .u(op.value_dim)
            .u(has(0) | has(1) | has(2));
        let params = weights.into_iter().chain(biases).fold(params, Words::option);
        let centred = norms.iter().flatten().any(|norm| norm.centred);
        let params = eps.into_iter().fold(params.u(centred.into()), Words::f);
        let params = params
            .option(rope.map(|(at, _)| at))
            .u(rope.map_or(0, |(_, pairs)| pairs))
            .f(op.rope.map_or(1.0, |index| self.vectors.rope_scale(index)));
        let constant = format!("const MAX_HEAD: u32 = {}u;", op.key_dim.max(op.value_dim));
        let sources = [constant.as_str(), wgsl!("reduce"), wgsl!("attention_prepare")];
        // Where another layer's cache is read, only queries are prepared.
        let x = op.heads + if op.kv.is_some() { 2 * op.kv_heads } else { 0 };
        let kernel =
            Kernel { label: "attention_prepare", sources: &sources, x, grid: Grid::Tokens(1), params };
        self.push(kernel, Some(State::Cache(op.cache)))
    }
}
