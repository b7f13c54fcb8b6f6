//! Products of consecutive rows with one token or many: which kernel computes them, and its parameters.

use std::iter;

use super::arena::Place;
use super::planes::{BLOCK, Planes};
use super::program::{Grid, Kernel, Programmer, Words};
use super::stores::Rows;
use super::tuning::{Tiles, Tuning};
use crate::error::Result;
use crate::kernels::activation::Activation;
use crate::kernels::linear::Epilogue;
use crate::kernels::norm::NormParams;

/// How a product is computed, which depends on for how many tokens.
#[derive(Clone, Copy)]
struct Variant {
    /// So many tokens at least and at most.
    when: (usize, usize),
    /// Tokens of a workgroup.
    tokens: usize,
    tile: Tile,
}

/// What a workgroup computes of its tokens.
#[derive(Clone, Copy, PartialEq)]
enum Tile {
    /// So many rows for each lane.
    Lanes(usize),
    /// The same, of rounded tokens.
    Packed(usize),
    /// `TILE_ROWS`, `OWN_ROWS` for each invocation, as in `linear_tiled.wgsl`.
    Memory,
    /// The same, in half precision.
    HalfMemory,
    /// The same, of rounded tokens.
    PackedMemory,
}

/// Weights are read once, and every weight meets all tokens in registers.
const FEW: Variant = Variant { when: (2, 8), tokens: 8, tile: Tile::Lanes(MOST_ROWS_OF_FEW) };
/// More rows would take too many registers there.
const MOST_ROWS_OF_FEW: usize = 2;
/// Tiles of weights and tokens meet in workgroup memory.
const MANY: Variant = Variant { when: (9, usize::MAX), tokens: 32, tile: Tile::Memory };
/// Rows of a workgroup there, and of each of its invocations.
const TILE_ROWS: usize = 64;
const OWN_ROWS: usize = 8;
/// Vectors of four words that a block of four rounded tokens takes, as `linear_tiled_packed.wgsl` says.
const QUAD: usize = 11;
/// Workgroups of a dispatch in one direction, where a device promises no more than all do.
const MOST_GROUPS: usize = 65_535;
/// Blocks of a rounded token that a workgroup's memory holds beside everything else.
const MOST_PACKED_BLOCKS: usize = 320;

/// Numbers of activations in `wgsl/activation.wgsl`.
const fn number(activation: Activation) -> usize {
    match activation {
        Activation::Silu => 0,
        Activation::GeluTanh => 1,
        Activation::GeluErf => 2,
    }
}

/// What follows the product: the constants of `wgsl/product.wgsl`.
#[derive(Clone, Copy)]
pub enum Finish {
    Epilogue(Epilogue),
    /// `y = y · r`
    Times,
    /// `y = cap(scale · r)`
    Logits(f32, Option<f32>),
}

/// Which of a token's experts.
#[derive(Clone, Copy)]
pub struct Routed {
    /// Experts per token.
    pub used: usize,
    /// All experts.
    pub count: usize,
    /// `x` has a row per chosen expert, not per token.
    pub x_per_item: bool,
}

/// One product of consecutive rows.
#[derive(Clone, Copy)]
pub struct Product<'n> {
    /// The first matrix's rows.
    pub rows: Rows,
    /// Distance of the second matrix's rows, for gates.
    pub second: usize,
    pub bias: Option<usize>,
    pub x: Place,
    pub columns: usize,
    pub norm: Option<&'n NormParams>,
    pub y: Place,
    pub by: Place,
    pub finish: Finish,
    pub routed: Option<Routed>,
}

/// Rows of an invocation: as many as are `wanted`, or more, where a matrix has more than that gives workgroups for.
fn own_rows(tuning: Tuning, wanted: usize, rows: usize) -> usize {
    let is_enough = |own: &usize| rows.div_ceil(tuning.group_rows(*own)) <= MOST_GROUPS;
    iter::successors(Some(wanted), |own| Some(2 * own)).find(is_enough).unwrap_or(wanted)
}

/// What every product's prelude is told.
fn constants(product: &Product<'_>, tokens: usize) -> String {
    format!(
        "const TOKENS: u32 = {tokens}u;\nconst RAGGED: bool = {};\nconst EXPERTS: u32 = {}u;\n",
        !product.columns.is_multiple_of(BLOCK),
        product.routed.map_or(0, |routed| routed.used)
    )
}

/// What kernels of rounded tokens are told of how these lie.
fn tile_constants() -> String {
    format!("const QUAD: u32 = {QUAD}u;\n")
}

impl Programmer<'_> {
    /// Appends a product, one dispatch per segment that holds rows of it, for any number of tokens.
    pub fn product(&mut self, product: Product<'_>) -> Result<()> {
        if self.single || product.routed.is_some() {
            return self.one(&product);
        }
        let rows = self.shaders.tuning.rows.min(MOST_ROWS_OF_FEW);
        self.variant(&product, Variant { tile: Tile::Lanes(rows), ..FEW })?;
        self.variant(&product, Variant { tile: self.tile(product.rows), ..MANY })
    }

    /// What many tokens are computed in.
    fn tile(&self, rows: Rows) -> Tile {
        let planes = self.stores.stores[rows.store].planes;
        match self.shaders.tuning.tiles {
            Tiles::Half if planes != Planes::F32 => Tile::HalfMemory,
            Tiles::Packed if planes.is_packed() && !self.single => Tile::PackedMemory,
            _ => Tile::Memory,
        }
    }

    /// Whether many tokens are rounded before they meet these rows.
    pub fn packs_tiles(&self, rows: Rows) -> bool {
        self.tile(rows) == Tile::PackedMemory
    }

    /// Rounds x of a product of many tokens, for it and all others of this x that come next.
    pub fn round(&mut self, product: &Product<'_>) -> Result<()> {
        let blocks = product.columns.div_ceil(BLOCK);
        let constants = constants(product, MANY.tokens) + &tile_constants();
        let sources =
            [constants.as_str(), wgsl!("activation"), wgsl!("product"), wgsl!("packed"), wgsl!("round")];
        let grid = match product.finish {
            Finish::Logits(..) => Grid::Wanted(1),
            _ => Grid::Tokens(1),
        };
        let params = self.product_params(product, 0, (0, product.rows.count));
        let kernel = Kernel { label: "round", sources: &sources, x: blocks.div_ceil(64), grid, params };
        let most_blocks = self.arena.widest.div_ceil(BLOCK) * self.arena.tokens.next_multiple_of(MANY.tokens);
        self.push_rounding(kernel, most_blocks * QUAD * size_of::<u32>(), MANY.when.0..=MANY.when.1)
    }

    /// A product for one token, or one expert, at a time: weights are read once per token.
    fn one(&mut self, product: &Product<'_>) -> Result<()> {
        let Tuning { rows, packed_dot, .. } = self.shaders.tuning;
        let planes = self.stores.stores[product.rows.store].planes;
        let fits = product.columns.div_ceil(BLOCK) <= MOST_PACKED_BLOCKS;
        let packs = packed_dot && fits && product.routed.is_none() && planes.is_packed();
        let tile = if packs { Tile::Packed(rows) } else { Tile::Lanes(rows) };
        self.variant(product, Variant { when: (1, usize::MAX), tokens: 1, tile })
    }

    fn variant(&mut self, product: &Product<'_>, variant: Variant) -> Result<()> {
        let stores = self.stores;
        let store = &stores.stores[product.rows.store];
        let used = product.routed.map_or(0, |routed| routed.used);
        let tuning = self.shaders.tuning;
        let (own_rows, group_rows) = match variant.tile {
            Tile::Lanes(rows) | Tile::Packed(rows) => {
                let rows = own_rows(tuning, rows, product.rows.count);
                (rows, tuning.group_rows(rows))
            }
            Tile::Memory | Tile::HalfMemory | Tile::PackedMemory => (OWN_ROWS, TILE_ROWS),
        };
        let mut constants = constants(product, variant.tokens);
        constants += &format!("const OWN_ROWS: u32 = {own_rows}u;\n");
        let prelude = store.planes.prelude();
        let lanes = tuning.lanes();
        let kernel: &[&str] = match variant.tile {
            Tile::Lanes(_) => &[&lanes, wgsl!("linear")],
            Tile::Packed(_) => {
                constants += &format!("const BLOCKS: u32 = {}u;\n", product.columns.div_ceil(BLOCK));
                &[&lanes, tuning.reduce_behind_lanes(), wgsl!("packed"), wgsl!("linear_packed")]
            }
            Tile::Memory => &[wgsl!("tile"), wgsl!("tile_full"), wgsl!("linear_tiled")],
            Tile::HalfMemory => &[wgsl!("tile"), wgsl!("tile_half"), wgsl!("linear_tiled")],
            Tile::PackedMemory => {
                constants += &tile_constants();
                &[wgsl!("tile"), wgsl!("packed"), wgsl!("linear_tiled_packed")]
            }
        };
        let preludes = [constants.as_str(), wgsl!("activation"), prelude.as_str(), wgsl!("product")];
        let sources = [preludes.as_slice(), kernel].concat();
        let grid = match (product.finish, used) {
            (Finish::Logits(..), _) => Grid::Wanted(variant.tokens),
            (_, 0) => Grid::Tokens(variant.tokens),
            _ => Grid::Items(used),
        };
        let all = product.routed.map_or(1, |routed| routed.count) * product.rows.count;
        let (first, last) = (product.rows.first, product.rows.first + all + product.second);
        for (index, segment) in store.segments.iter().enumerate() {
            let start = index * store.segment_rows;
            let (from, to) = (first.max(start), last.min(start + segment.rows));
            if from >= to {
                continue;
            }
            let params = self.product_params(product, from - start, (from - first, to - from));
            let rows = if used > 0 { product.rows.count } else { to - from - product.second };
            let x = rows.div_ceil(group_rows);
            let kernel = Kernel { label: "linear", sources: &sources, x, grid, params };
            let when = variant.when.0..=variant.when.1;
            self.push_weights(kernel, segment, variant.tile == Tile::PackedMemory, when)?;
        }
        Ok(())
    }

    /// Parameters for rows `skipped .. skipped + count` of a product, which begin at row `first_row` of their segment.
    fn product_params(
        &self,
        product: &Product<'_>,
        first_row: usize,
        (skipped, count): (usize, usize),
    ) -> Words {
        let (epilogue, activation, scale, softcap) = match product.finish {
            Finish::Epilogue(Epilogue::Store) => (0, 0, 0.0, 0.0),
            Finish::Epilogue(Epilogue::Add(scale)) => (1, 0, scale, 0.0),
            Finish::Epilogue(Epilogue::Activate(activation)) => (2, number(activation), 0.0, 0.0),
            Finish::Epilogue(Epilogue::Gate(activation)) => (3, number(activation), 0.0, 0.0),
            Finish::Epilogue(Epilogue::Multiply(activation, _)) => (4, number(activation), 0.0, 0.0),
            Finish::Times => (5, 0, 0.0, 0.0),
            Finish::Logits(scale, softcap) => (6, 0, scale, softcap.unwrap_or(0.0)),
        };
        let unit = product.rows.count;
        // A segment of experts holds whole experts; any other part of y begins with its rows.
        let (column, rows) =
            if product.routed.is_some() { (0, unit) } else { (skipped, count - product.second) };
        let (y, by) = (product.y.column(column), product.by.column(column));
        Words::default()
            .place(product.x)
            .u(product.columns)
            .place(y)
            .u(rows)
            .u(first_row)
            .u(product.second)
            .option(product.bias.map(|bias| bias + column))
            .u(product.second)
            .u(product.norm.is_some().into())
            .option(product.norm.and_then(|norm| self.vector(norm.weight)))
            .f(product.norm.map_or(0.0, |norm| norm.eps))
            .u(epilogue)
            .u(activation)
            .f(scale)
            .f(softcap)
            .place(by)
            .u(matches!(product.finish, Finish::Logits(..)).into())
            .u(self.arena.routes.at)
            .u(product.routed.is_some_and(|routed| routed.x_per_item).into())
            .u(skipped / unit)
            .u(count / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_vocabularies_have_workgroups_enough() {
        let tuning = Tuning { rows: 1, packed_dot: false, tiles: Tiles::Full, subgroup: Some(16) };
        assert_eq!(own_rows(tuning, 1, 262_140), 1);
        assert_eq!(own_rows(tuning, 1, 262_144), 2, "as of Gemma 3");
        assert_eq!(own_rows(tuning, 4, 262_144), 4);
    }
}
