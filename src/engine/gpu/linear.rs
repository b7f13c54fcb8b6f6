//! Projections: `Embed`, `Linear`, `Logits` and the matrices of `Experts`.

use super::arena::Place;
use super::planes::BLOCK;
use super::program::{ALWAYS, Grid, Kernel, Programmer, Words};
use super::stores::Rows;
use super::tuning::Tuning;
use crate::error::Result;
use crate::kernels::activation::Activation;
use crate::kernels::embed::Embed;
use crate::kernels::experts::{Experts, Gating};
use crate::kernels::linear::{Epilogue, Linear};
use crate::kernels::logits::Logits;
use crate::kernels::norm::NormParams;
use crate::recording::MatrixId;

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
    /// 64 rows, 8 for each invocation, as in `linear_tiled.wgsl`.
    Memory,
}

/// Weights are read once, and every weight meets all tokens in registers.
const FEW: Variant = Variant { when: (2, 8), tokens: 8, tile: Tile::Lanes(MOST_ROWS_OF_FEW) };
/// More rows would take too many registers there.
const MOST_ROWS_OF_FEW: usize = 2;
/// Tiles of weights and tokens meet in workgroup memory.
const MANY: Variant = Variant { when: (9, usize::MAX), tokens: 32, tile: Tile::Memory };
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
enum Finish {
    Epilogue(Epilogue),
    /// `y = y · r`
    Times,
    /// `y = cap(scale · r)`
    Logits(f32, Option<f32>),
}

/// Which of a token's experts.
#[derive(Clone, Copy)]
struct Routed {
    /// Experts per token.
    used: usize,
    /// All experts.
    count: usize,
    /// `x` has a row per chosen expert, not per token.
    x_per_item: bool,
}

/// One product of consecutive rows.
#[derive(Clone, Copy)]
struct Product<'n> {
    /// The first matrix's rows.
    rows: Rows,
    /// Distance of the second matrix's rows, for gates.
    second: usize,
    bias: Option<usize>,
    x: Place,
    columns: usize,
    norm: Option<&'n NormParams>,
    y: Place,
    by: Place,
    finish: Finish,
    routed: Option<Routed>,
}

impl Programmer<'_> {
    /// `y = scale · table[id]`
    pub fn embed(&mut self, op: &Embed) -> Result<()> {
        let stores = self.stores;
        let rows = stores.rows(op.table);
        let store = &stores.stores[rows.store];
        let prelude = store.planes.prelude();
        for (index, segment) in store.segments.iter().enumerate() {
            let params = Words::default()
                .place(self.arena.place(op.y))
                .u(store.columns)
                .u(index * store.segment_rows)
                .u(segment.rows)
                .f(op.scale);
            let sources = [prelude.as_str(), wgsl!("embed")];
            let kernel = Kernel { label: "embed", sources: &sources, x: 1, grid: Grid::Tokens(1), params };
            self.push_weights(kernel, segment, ALWAYS)?;
        }
        Ok(())
    }

    /// `y = epilogue(W · norm(x) + bias)`
    pub fn linear(&mut self, op: &Linear) -> Result<()> {
        let (x, norm) = self.normed(self.arena.place(op.x), op.x.width, op.norm.as_ref())?;
        let y = self.arena.place(op.y);
        let by = match op.epilogue {
            Epilogue::Multiply(_, by) => self.arena.place(by),
            _ => y,
        };
        let has_bias = op.weights.iter().any(|weight| weight.bias.is_some());
        let product = Product {
            rows: Rows { store: 0, first: 0, count: 0 },
            second: 0,
            bias: None,
            x,
            columns: op.x.width,
            norm: norm.as_ref(),
            y,
            by,
            finish: Finish::Epilogue(op.epilogue),
            routed: None,
        };
        // Biases of stacked matrices lie together; where the first one has none, it has zeros.
        let biases = op.weights.iter().scan(0, |rows, weight| {
            let at = *rows;
            *rows += self.stores.rows(weight.matrix).count;
            Some((at, weight.bias))
        });
        let biases: Vec<_> = biases.collect();
        let origin = biases.iter().find_map(|(at, bias)| bias.map(|id| self.vectors.offset(id) - at));
        let bias = |index: usize| origin.filter(|_| has_bias).map(|origin| origin + biases[index].0);
        let runs = self.stores.runs(&op.weights);
        if let (Epilogue::Gate(activation), [(_, 1, gate), (_, 1, up)]) = (op.epilogue, runs.as_slice()) {
            let finish = Finish::Epilogue(Epilogue::Activate(activation));
            self.product(Product { rows: *gate, bias: bias(0), finish, ..product })?;
            return self.product(Product { rows: *up, bias: bias(1), finish: Finish::Times, ..product });
        }
        for (index, _, rows) in runs {
            let (count, second) = match op.epilogue {
                Epilogue::Gate(_) => (rows.count / 2, rows.count / 2),
                _ => (rows.count, 0),
            };
            let (y, by) = (y.column(biases[index].0), by.column(biases[index].0));
            self.product(Product {
                rows: Rows { count, ..rows },
                second,
                bias: bias(index),
                y,
                by,
                ..product
            })?;
        }
        Ok(())
    }

    /// `logits = cap(scale · W · norm(x))`
    pub fn logits(&mut self, op: &Logits) -> Result<()> {
        let (x, norm) = self.normed(self.arena.place(op.x), op.x.width, Some(&op.norm))?;
        self.product(Product {
            rows: self.stores.rows(op.weight.matrix),
            second: 0,
            bias: self.vector(op.weight.bias),
            x,
            columns: op.x.width,
            norm: norm.as_ref(),
            y: self.arena.logits,
            by: self.arena.logits,
            finish: Finish::Logits(op.scale, op.softcap),
            routed: None,
        })
    }

    /// Routing, the chosen experts' projections, and their sum.
    pub fn experts(&mut self, op: &Experts) -> Result<()> {
        let (routes, inner, out) = (self.arena.routes, self.arena.expert_inner, self.arena.expert_out);
        let routes = Place { stride: 2 * op.used, ..routes };
        let (inner, out) = (Place { stride: op.width, ..inner }, Place { stride: op.x.width, ..out });
        self.route(op, routes)?;
        let product =
            |matrix: MatrixId, rows: usize, (x, y): (Place, Place), columns, finish, x_per_item| Product {
                rows: Rows { count: rows, ..self.stores.rows(matrix) },
                second: 0,
                bias: None,
                x,
                columns,
                norm: None,
                y,
                by: y,
                finish,
                routed: Some(Routed { used: op.used, count: op.scores.width, x_per_item }),
            };
        let x = self.arena.place(op.x);
        let activate = Finish::Epilogue(Epilogue::Activate(op.activation));
        let store = Finish::Epilogue(Epilogue::Store);
        for product in [
            product(op.gate, op.width, (x, inner), op.x.width, activate, false),
            product(op.up, op.width, (x, inner), op.x.width, Finish::Times, false),
            product(op.down, op.x.width, (inner, out), op.width, store, true),
        ] {
            self.product(product)?;
        }
        let params =
            Words::default().u(out.at).u(routes.at).place(self.arena.place(op.y)).u(op.x.width).f(op.scale);
        let used = format!("const USED: u32 = {}u;", op.used);
        let sources = [used.as_str(), wgsl!("experts_sum")];
        let x = op.x.width.div_ceil(64);
        self.push(Kernel { label: "experts_sum", sources: &sources, x, grid: Grid::Tokens(1), params }, None)
    }

    fn route(&mut self, op: &Experts, routes: Place) -> Result<()> {
        let params = Words::default()
            .place(self.arena.place(op.scores))
            .u(op.scores.width)
            .option(self.vector(op.selection_bias))
            .u(routes.at);
        let constants = format!(
            "const SOFTMAX: bool = {};\nconst RENORMALISE: bool = {};\nconst USED: u32 = {}u;",
            op.gating == Gating::Softmax,
            op.renormalise,
            op.used
        );
        let sources = [constants.as_str(), wgsl!("activation"), wgsl!("experts_route")];
        self.push(
            Kernel { label: "experts_route", sources: &sources, x: 1, grid: Grid::Tokens(1), params },
            None,
        )
    }

    /// Where the normalised `x` is to be read: a single token's RMS norm is folded into the product, others are written.
    fn normed(
        &mut self,
        x: Place,
        width: usize,
        norm: Option<&NormParams>,
    ) -> Result<(Place, Option<NormParams>)> {
        let Some(norm) = norm else { return Ok((x, None)) };
        if self.single && !norm.centred && norm.bias.is_none() {
            return Ok((x, Some(*norm)));
        }
        let normed = Place { stride: width, ..self.arena.normed };
        self.norm(norm, (x, normed), (width, width), None)?;
        Ok((normed, None))
    }

    /// Appends a product, one dispatch per segment that holds rows of it, for any number of tokens.
    fn product(&mut self, product: Product<'_>) -> Result<()> {
        if self.single || product.routed.is_some() {
            return self.one(&product);
        }
        let rows = self.shaders.tuning.rows.min(MOST_ROWS_OF_FEW);
        self.variant(&product, Variant { tile: Tile::Lanes(rows), ..FEW })?;
        self.variant(&product, MANY)
    }

    /// A product for one token, or one expert, at a time: weights are read once per token.
    fn one(&mut self, product: &Product<'_>) -> Result<()> {
        let Tuning { rows, packed_dot, .. } = self.shaders.tuning;
        let planes = self.stores.stores[product.rows.store].planes;
        let fits = product.columns.div_ceil(BLOCK) <= MOST_PACKED_BLOCKS;
        let packs = packed_dot && fits && product.routed.is_none() && planes.packed().is_some();
        let tile = if packs { Tile::Packed(rows) } else { Tile::Lanes(rows) };
        self.variant(product, Variant { when: (1, usize::MAX), tokens: 1, tile })
    }

    fn variant(&mut self, product: &Product<'_>, variant: Variant) -> Result<()> {
        let stores = self.stores;
        let store = &stores.stores[product.rows.store];
        let used = product.routed.map_or(0, |routed| routed.used);
        let tuning = self.shaders.tuning;
        let (own_rows, group_rows) = match variant.tile {
            Tile::Lanes(rows) | Tile::Packed(rows) => (rows, tuning.group_rows(rows)),
            Tile::Memory => (8, 64),
        };
        let mut constants = format!(
            "const TOKENS: u32 = {}u;\nconst OWN_ROWS: u32 = {own_rows}u;\nconst RAGGED: bool = {};\n\
             const EXPERTS: u32 = {used}u;\n",
            variant.tokens,
            !product.columns.is_multiple_of(BLOCK)
        );
        let prelude = store.planes.prelude();
        let lanes = tuning.lanes();
        let kernel: &[&str] = match variant.tile {
            Tile::Lanes(_) => &[&lanes, wgsl!("linear")],
            Tile::Packed(_) => {
                constants += &format!("const BLOCKS: u32 = {}u;\n", product.columns.div_ceil(BLOCK));
                let packed = store.planes.packed().unwrap_or_default();
                &[&lanes, tuning.reduce_behind_lanes(), wgsl!("linear_packed"), packed]
            }
            Tile::Memory => &[wgsl!("linear_tiled")],
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
            self.push_weights(kernel, segment, variant.when.0..=variant.when.1)?;
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
