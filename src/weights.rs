//! Tensor roles: which tensor, or which rows of it in which order, each operand of the forward pass is.
//!
//! Quirks of layout are repaired here, so that no engine knows them: rows of fused projections are split,
//! and where RoPE rotates neighbours the rows of queries and keys are re-ordered so that it rotates halves.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod encoder;
mod layer;
mod order;
mod plan;
mod quantize;
mod stream;

pub use encoder::load_encoder;
pub use layer::{
    AttentionWeights, DeltaNetWeights, FeedForwardWeights, LayerWeights, MixerWeights, PerLayerWeights,
};
pub use order::RowOrder;
pub use plan::{MatrixPlan, Plan, VectorPlan};
pub use quantize::{Quantizer, Target};
pub use stream::{load_vector, stream};

use crate::error::Result;
use crate::gguf::Gguf;
use crate::kernels::linear::Weight;
use crate::kernels::norm::NormParams;
use crate::recording::MatrixId;
use crate::spec::Spec;

/// Handles of every operand of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// `[vocabulary, hidden]`
    pub embedding: MatrixId,
    /// Gemma 4's per-layer inputs.
    pub per_layer: Option<PerLayerInput>,
    /// The layers.
    pub layers: Vec<LayerWeights>,
    /// Norm before the output projection.
    pub final_norm: NormParams,
    /// `[vocabulary, hidden]`; the embedding table where they are tied.
    pub output: Weight,
}

/// Gemma 4's per-layer inputs, computed once per token.
#[derive(Debug, Clone, PartialEq)]
pub struct PerLayerInput {
    /// `[vocabulary, layers · width]`
    pub embedding: MatrixId,
    /// `[layers · width, hidden]`
    pub projection: Weight,
    /// `[width]`
    pub norm: NormParams,
}

impl Weights {
    /// Finds every operand that `spec` asks for.
    ///
    /// # Errors
    /// `corrupt_file` naming a tensor that is missing or has another shape than the metadata say.
    pub fn plan(gguf: &Gguf, spec: &Spec) -> Result<(Self, Plan)> {
        let mut plan = plan::Planner::new(gguf, spec.layer_norm, spec.norm_eps);
        let embedding = plan.matrix("token_embd.weight", spec.vocab, spec.hidden)?;
        let per_layer = match spec.per_layer_input {
            None => None,
            Some(width) => {
                let all = width * spec.layers.len();
                Some(PerLayerInput {
                    embedding: plan.matrix("per_layer_token_embd.weight", spec.vocab, all)?,
                    projection: plan.weight("per_layer_model_proj", all, spec.hidden)?,
                    norm: plan.norm("per_layer_proj_norm", width)?,
                })
            }
        };
        let layers = (0..)
            .zip(&spec.layers)
            .map(|(index, layer)| layer::plan(&mut plan, spec, index, layer))
            .collect::<Result<_>>()?;
        let final_norm = if spec.family.final_norm_is_embd_norm { "token_embd_norm" } else { "output_norm" };
        let final_norm = plan.norm(final_norm, spec.hidden)?;
        let output = if gguf.tensor("output.weight").is_some() {
            plan.weight("output", spec.vocab, spec.hidden)?
        } else {
            Weight { matrix: embedding, bias: None }
        };
        Ok((Self { embedding, per_layer, layers, final_norm, output }, plan.finish()))
    }
}
