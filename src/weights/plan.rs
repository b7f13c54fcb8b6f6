//! Collects what has to be loaded, checking every shape.

use crate::error::{Error, ErrorKind, Result, bail};
use crate::gguf::{Gguf, TensorInfo};
use crate::kernels::formats::Format;
use crate::kernels::linear::Weight;
use crate::kernels::norm::NormParams;
use crate::recording::{MatrixId, VectorId};

use super::RowOrder;

/// A matrix to be loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixPlan {
    /// Index into [`Gguf::tensors`].
    pub tensor: usize,
    /// Which rows.
    pub order: RowOrder,
    /// Length of a row.
    pub columns: usize,
    /// Element type.
    pub format: Format,
}

/// A vector to be loaded as f32.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorPlan {
    /// Index into [`Gguf::tensors`].
    pub tensor: usize,
    /// Which elements.
    pub order: RowOrder,
}

/// Everything that a model loads.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// By [`MatrixId`].
    pub matrices: Vec<MatrixPlan>,
    /// By [`VectorId`].
    pub vectors: Vec<VectorPlan>,
}

/// The plan in the making.
pub(super) struct Planner<'a> {
    gguf: &'a Gguf,
    layer_norm: bool,
    eps: f32,
    plan: Plan,
}

impl<'a> Planner<'a> {
    pub fn new(gguf: &'a Gguf, layer_norm: bool, eps: f32) -> Self {
        Self { gguf, layer_norm, eps, plan: Plan::default() }
    }

    pub fn finish(self) -> Plan {
        self.plan
    }

    pub fn has(&self, name: &str) -> bool {
        self.gguf.tensor(name).is_some()
    }

    fn find(&self, name: &str) -> Result<(usize, &TensorInfo)> {
        let found = self.gguf.tensors.iter().enumerate().find(|(_, tensor)| tensor.name == name);
        found.ok_or_else(|| {
            Error::new(ErrorKind::CorruptFile, format!("tensor {name} is missing"))
                .with_hint("The file is incomplete, or was made for another version of its architecture.")
        })
    }

    /// The place and format of the tensor `name`, `[rows, columns]`.
    pub fn expect(&self, name: &str, rows: usize, columns: usize) -> Result<(usize, Format)> {
        let (index, tensor) = self.find(name)?;
        if (tensor.rows(), tensor.columns()) != (rows, columns) {
            let (found_rows, found) = (tensor.rows(), tensor.columns());
            bail!(
                CorruptFile,
                "tensor {name} has {found_rows} rows of {found}; {rows} of {columns} are expected"
            );
        }
        Ok((index, tensor.format))
    }

    /// The whole tensor `name`, `[rows, columns]`.
    pub fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<MatrixId> {
        self.rows(name, RowOrder::Range { start: 0, len: rows }, rows, columns)
    }

    /// Some rows of the tensor `name`, `[all_rows, columns]`.
    fn rows(&mut self, name: &str, order: RowOrder, all_rows: usize, columns: usize) -> Result<MatrixId> {
        let (index, format) = self.expect(name, all_rows, columns)?;
        self.plan.matrices.push(MatrixPlan { tensor: index, order, columns, format });
        Ok(MatrixId(self.plan.matrices.len() - 1))
    }

    /// `name.weight`, and `name.bias` if there is one.
    pub fn weight(&mut self, name: &str, rows: usize, columns: usize) -> Result<Weight> {
        self.weight_rows(name, RowOrder::Range { start: 0, len: rows }, rows, columns)
    }

    /// Some rows of `name.weight`, `[all_rows, columns]`, and the same elements of `name.bias` if there is one.
    pub fn weight_rows(
        &mut self,
        name: &str,
        order: RowOrder,
        all_rows: usize,
        columns: usize,
    ) -> Result<Weight> {
        let bias_name = format!("{name}.bias");
        let bias = if self.has(&bias_name) {
            Some(self.elements(&bias_name, order.clone(), all_rows)?)
        } else {
            None
        };
        Ok(Weight { matrix: self.rows(&format!("{name}.weight"), order, all_rows, columns)?, bias })
    }

    /// Some elements of the tensor `name`, which has `len`.
    pub fn elements(&mut self, name: &str, order: RowOrder, len: usize) -> Result<VectorId> {
        let (index, tensor) = self.find(name)?;
        if tensor.elements() != len {
            bail!(CorruptFile, "tensor {name} has {} elements, {len} are expected", tensor.elements());
        }
        self.plan.vectors.push(VectorPlan { tensor: index, order });
        Ok(VectorId(self.plan.vectors.len() - 1))
    }

    /// The whole tensor `name`, `len` elements.
    pub fn vector(&mut self, name: &str, len: usize) -> Result<VectorId> {
        self.elements(name, RowOrder::Range { start: 0, len }, len)
    }

    /// The norm `name.weight`, `name.bias`, of `len` elements.
    pub fn norm(&mut self, name: &str, len: usize) -> Result<NormParams> {
        let weight = self.vector(&format!("{name}.weight"), len)?;
        let bias_name = format!("{name}.bias");
        let bias = if self.has(&bias_name) { Some(self.vector(&bias_name, len)?) } else { None };
        Ok(NormParams { weight: Some(weight), bias, ..self.plain_norm() })
    }

    /// A norm without weights.
    pub fn plain_norm(&self) -> NormParams {
        NormParams { centred: self.layer_norm, eps: self.eps, weight: None, bias: None }
    }
}
