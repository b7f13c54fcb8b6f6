//! A model's first layers with made-up weights: what a machine is measured and tested with before a byte of the model
//! itself is there. Only the header of its file is needed for that.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::engine::{WeightSink, matrix_bytes};
use crate::error::Result;
use crate::forward;
use crate::gguf::Gguf;
use crate::kernels::formats::Noise;
use crate::recording::{MatrixId, Op, Recording, VectorId};
use crate::spec::Spec;
use crate::weights::{MatrixPlan, Plan, RowOrder, Target, Weights};

/// Rows of a matrix that differ; a prime, so that rows an engine mixes up are seldom alike.
const DISTINCT_ROWS: usize = 61;
/// So many bytes may be read where that gives a layer of every kind: attention may come behind several other layers.
const FOR_ALL_KINDS: u64 = 128 << 20;
/// No vocabulary is cut to fewer rows.
const FEWEST_ROWS: usize = 256;
/// More runs need not be in flight to keep a GPU busy.
const MOST_IN_FLIGHT: f64 = 128.0;

/// What is run.
pub struct Miniature {
    /// Shapes and formats of its weights.
    pub plan: Plan,
    /// Its forward pass.
    pub recording: Recording,
    /// Rows of the logits.
    pub vocab: usize,
    /// Weights that it reads for a token, as a share of the whole model's.
    pub share: f64,
}

impl Miniature {
    /// As many layers of a model as read no more than about `bytes` of weights for a token, or a few more where that gives
    /// one of every kind, but at least one; and a part of its vocabulary. None for a model that does not run without all of
    /// its layers.
    ///
    /// # Errors
    /// `corrupt_file` where a tensor is missing.
    pub fn new(spec: &Spec, gguf: &Gguf, quantize: Option<Target>, bytes: u64) -> Result<Option<Self>> {
        if spec.per_layer_input.is_some() {
            return Ok(None);
        }
        let whole = Self::of(spec, gguf, quantize)?.bytes_per_token();
        let within = |bytes: u64| {
            let layers = bytes.saturating_mul(spec.layers.len() as u64).div_ceil(whole.max(1));
            usize::try_from(layers).unwrap_or(usize::MAX).max(1)
        };
        let is_first = |index: usize| {
            spec.layers.iter().position(|layer| Some(layer) == spec.layers.get(index)) == Some(index)
        };
        let kinds = (0..spec.layers.len()).rfind(|&index| is_first(index)).map_or(1, |last| last + 1);
        let mut first = spec.clone();
        first.layers.truncate(within(bytes).max(kinds.min(within(FOR_ALL_KINDS))));
        let mut miniature = Self::of(&first, gguf, quantize)?;
        miniature.cut_vocabulary(bytes / 2);
        miniature.share = ratio(miniature.bytes_per_token(), whole);
        Ok(Some(miniature))
    }

    fn of(spec: &Spec, gguf: &Gguf, quantize: Option<Target>) -> Result<Self> {
        let (roles, mut plan) = Weights::plan(gguf, spec)?;
        if let Some(target) = quantize {
            plan.quantize(target);
        }
        // Which angles are rotated by makes no difference to the time.
        let ropes = spec.ropes.iter().map(|rope| rope.table(None)).collect();
        let recording = forward::record(spec, &roles, ropes);
        Ok(Self { plan, recording, vocab: spec.vocab, share: 1.0 })
    }

    /// Leaves out rows of the embeddings and of the output, so that either takes `bytes` at most.
    fn cut_vocabulary(&mut self, bytes: u64) {
        let tables = self.recording.ops.iter().filter_map(|op| match op {
            Op::Embed(op) => Some(op.table),
            Op::Logits(op) => Some(op.weight.matrix),
            _ => None,
        });
        let tables: Vec<_> = tables.collect();
        let largest = tables.iter().map(|&table| self.bytes(table)).max().unwrap_or(0);
        let rows = usize::try_from(bytes.saturating_mul(self.vocab as u64) / largest.max(1));
        self.vocab = rows.unwrap_or(usize::MAX).max(FEWEST_ROWS).min(self.vocab);
        for MatrixId(index) in tables {
            if let Some(MatrixPlan { order: RowOrder::Range { len, .. }, .. }) =
                self.plan.matrices.get_mut(index)
            {
                *len = self.vocab;
            }
        }
    }

    /// Gives an engine the weights, always the same ones.
    ///
    /// # Errors
    /// What the engine fails with.
    pub fn fill(&self, engine: &mut dyn WeightSink) -> Result<()> {
        for (index, matrix) in self.plan.matrices.iter().enumerate() {
            let mut noise = Noise::new(index as u64);
            let deviation = deviation(matrix.columns);
            let mut rows = Vec::new();
            let distinct = matrix.order.len().min(DISTINCT_ROWS);
            for _ in 0..distinct * matrix.columns / matrix.format.block_len() {
                noise.block(matrix.format, deviation, &mut rows);
            }
            let row_bytes = matrix.format.row_bytes(matrix.columns);
            for first in (0..matrix.order.len()).step_by(distinct.max(1)) {
                let count = distinct.min(matrix.order.len() - first);
                engine.rows(MatrixId(index), first, rows.get(..count * row_bytes).unwrap_or_default())?;
            }
        }
        for (index, vector) in self.plan.vectors.iter().enumerate() {
            let mut noise = Noise::new(!(index as u64));
            // Negative, as what a recurrent state decays by has to be; of all others the sign does not matter.
            let values = (0..vector.order.len()).map(|_| -0.5 - noise.fraction()).collect();
            engine.vector(VectorId(index), values);
        }
        Ok(())
    }

    /// How many runs of it are as much work as so many tokens of the whole model, and can be in flight as they can: what a GPU
    /// takes to answer is then hidden as well, and does not count once for every miniature that makes up the model.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a small number"
    )]
    pub fn in_flight(&self, tokens: usize) -> usize {
        let runs = (tokens as f64 / self.share).ceil().min(MOST_IN_FLIGHT) as usize;
        if self.recording.can_rewind() { runs } else { 0 }
    }

    /// Weights that are read for one token: all but the embeddings and the experts that it does not choose.
    fn bytes_per_token(&self) -> u64 {
        self.recording.ops.iter().map(|op| self.bytes_of(op)).sum()
    }

    fn bytes_of(&self, op: &Op) -> u64 {
        match op {
            Op::Linear(op) => op.weights.iter().map(|weight| self.bytes(weight.matrix)).sum(),
            Op::Logits(op) => self.bytes(op.weight.matrix),
            Op::Experts(op) => {
                let rows = self.plan.matrices.get(op.gate.0).map_or(0, |gate| gate.order.len());
                let all: u64 = [op.gate, op.up, op.down].map(|matrix| self.bytes(matrix)).iter().sum();
                all.saturating_mul((op.used * op.width) as u64) / rows.max(1) as u64
            }
            Op::Embed(_) | Op::Norm(_) | Op::Attention(_) => 0,
            Op::ShortConv(_) | Op::DeltaNet(_) | Op::Scale(_) => 0,
        }
    }

    fn bytes(&self, matrix: MatrixId) -> u64 {
        let matrix = self.plan.matrices.get(matrix.0);
        matrix.map_or(0, |matrix| matrix_bytes(matrix.format, matrix.order.len(), matrix.columns))
    }
}

#[allow(clippy::cast_precision_loss, reason = "no model has 2^53 bytes")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Weights that keep a normalised input's size.
#[allow(clippy::cast_precision_loss, reason = "rows are short")]
fn deviation(columns: usize) -> f32 {
    1.0 / (columns.max(1) as f32).sqrt()
}
