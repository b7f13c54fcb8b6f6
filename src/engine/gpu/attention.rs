//! `Attention`: heads are prepared, then attend. For one token both happen in one dispatch, and where its context is long a
//! second one adds up what the pieces of the context have made.

use super::program::{Depth, Grid, Kernel, Programmer, State, Words};
use crate::error::Result;
use crate::kernels::attention::Attention;
use crate::kernels::norm::NormParams;

/// Invocations of a workgroup.
const LANES: usize = 64;
/// Rows of a workgroup at most: more would not fit into an invocation's registers.
const MOST_ROWS: usize = 8;
/// Fours of query dimensions that a workgroup keeps at most: 8 of its 16 KiB.
const MOST_QUERY_QUADS: usize = 512;
/// Positions of a piece, where there are few pieces; as in the kernels.
const SPLIT: usize = 256;
/// Pieces that the positions are split into at most.
pub const MOST_SPLITS: usize = 16;

/// Elements of a head in the cache: whole fours.
pub fn padded(dim: usize) -> usize {
    dim.next_multiple_of(4)
}

/// Elements of one token's results by pieces.
pub fn partials(op: &Attention) -> usize {
    op.heads * MOST_SPLITS * (padded(op.value_dim) + 2)
}

/// Pieces that the positions which a token at `position` sees are split into.
pub fn splits(position: usize, window: Option<usize>) -> usize {
    let seen = window.map_or(position + 1, |window| window.min(position + 1));
    seen.div_ceil(SPLIT).clamp(1, MOST_SPLITS)
}

impl Programmer<'_> {
    /// Norm, rotation, cache; then the weighted sum of values.
    pub fn attention(&mut self, op: &Attention) -> Result<()> {
        let group = op.heads / op.kv_heads;
        let (key_quads, value_quads) = (padded(op.key_dim) / 4, padded(op.value_dim) / 4);
        let room = (MOST_QUERY_QUADS / key_quads).clamp(1, MOST_ROWS);
        // The largest power of two in `room`.
        let room = 1 << room.ilog2();
        let fused = self.single && group <= room;
        let rows = if fused { group.next_power_of_two() } else { room };
        let constants = format!(
            "const GROUP: u32 = {group}u;\nconst KEY_QUADS: u32 = {key_quads}u;\nconst VALUE_QUADS: u32 = {value_quads}u;\n\
             const SPLITS: u32 = {MOST_SPLITS}u;\n"
        );
        let cache = if self.halves { wgsl!("cache_f16") } else { wgsl!("cache_f32") };
        let reduce = self.shaders.tuning.reduce();
        let preludes = [&constants, wgsl!("activation"), cache, &reduce, wgsl!("heads")];
        let state = Some(State::Cache(op.cache));
        if !fused {
            // Where another layer's cache is read, only queries are prepared.
            let x = op.heads + if op.kv.is_some() { 2 * op.kv_heads } else { 0 };
            let sources = [preludes.as_slice(), &[wgsl!("attention_prepare")]].concat();
            let params = self.heads(op);
            self.push(
                Kernel { label: "attention_prepare", sources: &sources, x, grid: Grid::Tokens(1), params },
                state,
            )?;
        }
        let own = format!(
            "const ROWS: u32 = {rows}u;\nconst SPAN: u32 = {}u;\nconst FUSED: bool = {fused};",
            value_quads.next_power_of_two().min(LANES)
        );
        let sources = [preludes.as_slice(), &[&own, wgsl!("attention")]].concat();
        let grid = Grid::Rows { each: group, per: rows };
        let params = self.heads(op);
        self.push(Kernel { label: "attention", sources: &sources, x: op.kv_heads, grid, params }, state)?;
        if self.single {
            self.deepen(Depth::Pieces(op.window));
            let sources = [preludes.as_slice(), &[wgsl!("attention_reduce")]].concat();
            let params = self.heads(op);
            let kernel = Kernel {
                label: "attention_reduce",
                sources: &sources,
                x: op.heads,
                grid: Grid::Once,
                params,
            };
            self.push(kernel, state)?;
            self.deepen(Depth::IfInPieces(op.window));
        }
        Ok(())
    }

    /// `Params` of `wgsl/heads.wgsl`.
    fn heads(&self, op: &Attention) -> Words {
        let temperature = op.temperature;
        let norms = [op.q_norm, op.k_norm, op.v_norm];
        let has = |index: usize| usize::from(norms[index].is_some()) << index;
        let part = |get: fn(&NormParams) -> Option<_>| norms.map(|norm| norm.as_ref().and_then(get));
        let weights = part(|norm| norm.weight).map(|id| self.vector(id));
        let biases = part(|norm| norm.bias).map(|id| self.vector(id));
        let eps = norms.map(|norm| norm.map_or(0.0, |norm| norm.eps));
        let rope = op.rope.map(|index| (self.vectors.rope(index), self.vectors.rope_pairs(index)));
        let q = self.arena.place(op.q);
        let params = Words::default()
            .u(q.at)
            .option(op.kv.map(|(k, _)| self.arena.place(k).at))
            .option(op.kv.map(|(_, v)| self.arena.place(v).at))
            .u(q.stride)
            .place(self.arena.place(op.y))
            .option(op.gate.map(|gate| self.arena.place(gate).at))
            .u(op.gate.map_or(0, |gate| self.arena.place(gate).stride))
            .u(self.arena.partials.at)
            .u(op.heads)
            .u(op.kv_heads)
            .u(op.key_dim)
            .u(op.value_dim)
            .f(op.scale)
            .f(op.softcap.unwrap_or(0.0))
            .option(op.window)
            .f(temperature.map_or(0.0, |temperature| temperature.factor))
            .u(temperature.map_or(1, |temperature| temperature.length.max(1)))
            .u(has(0) | has(1) | has(2));
        let params = weights.into_iter().chain(biases).fold(params, Words::option);
        let centred = norms.iter().flatten().any(|norm| norm.centred);
        let params = eps.into_iter().fold(params.u(centred.into()), Words::f);
        params
            .option(rope.map(|(at, _)| at))
            .u(rope.map_or(0, |(_, pairs)| pairs))
            .f(op.rope.map_or(1.0, |index| self.vectors.rope_scale(index)))
    }
}
