//! Projections: `Embed`, `Linear`, `Logits` and the matrices of `Experts`.

use super::arena::Place;
use super::product::{Finish, Product, Routed};
use super::program::{ALWAYS, Grid, Kernel, Programmer, Words};
use super::stores::Rows;
use crate::error::Result;
use crate::kernels::embed::Embed;
use crate::kernels::experts::{Experts, Gating};
use crate::kernels::linear::{Epilogue, Linear};
use crate::kernels::logits::Logits;
use crate::kernels::norm::NormParams;
use crate::recording::MatrixId;

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
            self.push_weights(kernel, segment, false, ALWAYS)?;
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
        if let Some(&(_, _, rows)) = runs.iter().find(|(_, _, rows)| self.packs_tiles(*rows)) {
            self.round(&Product { rows, ..product })?;
        }
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
        let product = Product {
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
        };
        if self.packs_tiles(product.rows) {
            self.round(&product)?;
        }
        self.product(product)
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
}
