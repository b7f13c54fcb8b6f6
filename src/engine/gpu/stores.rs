//! Which matrices are stacked, and where each one's rows are.

use super::device::Device;
use super::planes::{Planes, Store};
use crate::error::Result;
use crate::kernels::linear::{Epilogue, Linear, Weight};
use crate::recording::{MatrixId, Op, Recording};
use crate::weights::Plan;

/// Rows of a matrix inside a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Index of the store.
    pub store: usize,
    /// First row in it.
    pub first: usize,
    /// Number of rows.
    pub count: usize,
}

/// All weight matrices.
pub struct Stores {
    /// By [`Rows::store`].
    pub stores: Vec<Store>,
    matrices: Vec<Rows>,
}

impl Stores {
    /// Room for the matrices of `plan`. Neighbours in a projection are stacked where their formats allow it, so that
    /// one dispatch multiplies them all.
    ///
    /// # Errors
    /// `out_of_memory`
    pub fn new(device: &Device, recording: &Recording, plan: &Plan) -> Result<Self> {
        let mut units = vec![1; plan.matrices.len()];
        let mut stacks: Vec<Vec<usize>> = Vec::new();
        for op in &recording.ops {
            match op {
                Op::Experts(op) => {
                    for (matrix, unit) in [(op.gate, op.width), (op.up, op.width), (op.down, op.x.width)] {
                        units[matrix.0] = unit;
                    }
                }
                Op::Linear(op) if op.weights.len() > 1 => {
                    stacks.extend(runs(device, plan, op));
                }
                _ => {}
            }
        }
        let stacked: Vec<usize> = stacks.concat();
        stacks.extend(
            (0..plan.matrices.len()).filter(|index| !stacked.contains(index)).map(|index| vec![index]),
        );
        let mut all =
            Self { stores: Vec::new(), matrices: vec![Rows { store: 0, first: 0, count: 0 }; units.len()] };
        for stack in stacks {
            let mut rows = 0;
            for &index in &stack {
                let count = plan.matrices[index].order.len();
                all.matrices[index] = Rows { store: all.stores.len(), first: rows, count };
                rows += count;
            }
            let matrix = &plan.matrices[stack[0]];
            let planes = Planes::of(matrix.format);
            all.stores.push(Store::new(device, planes, rows, matrix.columns, units[stack[0]])?);
        }
        Ok(all)
    }

    /// Gives the memory back at once.
    pub fn free(&self, device: &Device) {
        for segment in self.stores.iter().flat_map(|store| &store.segments) {
            device.free(&segment.quants);
            segment.scales.iter().for_each(|scales| device.free(scales));
        }
    }

    /// Where a matrix is.
    pub fn rows(&self, id: MatrixId) -> Rows {
        self.matrices[id.0]
    }

    /// A projection's weights in runs that lie together: first weight, number of weights, and their rows.
    pub fn runs(&self, weights: &[Weight]) -> Vec<(usize, usize, Rows)> {
        let mut runs: Vec<(usize, usize, Rows)> = Vec::new();
        for (index, weight) in weights.iter().enumerate() {
            let rows = self.rows(weight.matrix);
            match runs.last_mut() {
                Some((_, count, last))
                    if last.store == rows.store && last.first + last.count == rows.first =>
                {
                    *count += 1;
                    last.count += rows.count;
                }
                _ => runs.push((index, 1, rows)),
            }
        }
        runs
    }
}

/// The matrices of one projection, in runs that can be stacked. A gate's two matrices are either together or apart.
fn runs(device: &Device, plan: &Plan, op: &Linear) -> Vec<Vec<usize>> {
    let ids: Vec<usize> = op.weights.iter().map(|weight| weight.matrix.0).collect();
    let planes = |index: usize| Planes::of(plan.matrices[index].format);
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for &id in &ids {
        match runs.last_mut() {
            Some(run) if planes(run[0]) == planes(id) => run.push(id),
            _ => runs.push(vec![id]),
        }
    }
    let fits = |run: &[usize]| {
        let bytes = |&id: &usize| {
            let matrix = &plan.matrices[id];
            matrix.order.len() * matrix.columns.div_ceil(super::planes::BLOCK) * planes(id).quant_bytes()
        };
        run.iter().map(bytes).sum::<usize>() <= device.binding_bytes()
    };
    let together =
        runs.iter().all(|run| fits(run)) && (runs.len() == 1 || !matches!(op.epilogue, Epilogue::Gate(_)));
    if together { runs } else { ids.into_iter().map(|id| vec![id]).collect() }
}
