//! Norms, biases, convolution kernels and rotary tables: one buffer of f32.

use std::collections::BTreeMap;

use crate::kernels::linear::Weight;
use crate::recording::{Op, Recording, RopeTable, VectorId};
use crate::weights::Plan;

/// Positions are three digits of seven bits; angles of each digit are tabulated.
const DIGITS: u32 = 3;
const DIGIT: usize = 128;

/// Where each vector lies, in elements.
#[derive(Default)]
pub struct Vectors {
    offsets: Vec<usize>,
    /// Each rope's table, `[3, 128, pairs, 2]`; its pairs; its scale.
    ropes: Vec<(usize, usize, f32)>,
    len: usize,
}

impl Vectors {
    /// Places what `plan` lists. Biases of stacked matrices lie one behind the other, with zeros for those without.
    pub fn new(recording: &Recording, plan: &Plan) -> Self {
        let mut placed = BTreeMap::new();
        let mut len = 0;
        let mut place = |id: Option<VectorId>, size: usize| {
            if let Some(id) = id {
                placed.entry(id).or_insert(len);
            }
            len += size;
        };
        for op in &recording.ops {
            let Op::Linear(op) = op else { continue };
            if op.weights.iter().any(|weight| weight.bias.is_some()) {
                let rows = |weight: &Weight| plan.matrices[weight.matrix.0].order.len();
                op.weights.iter().for_each(|weight| place(weight.bias, rows(weight)));
            }
        }
        let mut vectors = Self::default();
        for (index, vector) in plan.vectors.iter().enumerate() {
            let offset = *placed.entry(VectorId(index)).or_insert(len);
            if offset == len {
                len += vector.order.len();
            }
            vectors.offsets.push(offset);
        }
        for rope in &recording.ropes {
            vectors.ropes.push((len, rope.frequencies.len(), rope.scale));
            len += DIGITS as usize * DIGIT * rope.frequencies.len() * 2;
        }
        // Kernels read four at a time.
        vectors.len = len + 32;
        vectors
    }

    /// Elements altogether.
    pub fn len(&self) -> usize {
        self.len
    }

    /// First element of a vector.
    pub fn offset(&self, id: VectorId) -> usize {
        self.offsets[id.0]
    }

    /// First element of a rope's table.
    pub fn rope(&self, index: usize) -> usize {
        self.ropes[index].0
    }

    /// Pairs of dimensions that a rope rotates.
    pub fn rope_pairs(&self, index: usize) -> usize {
        self.ropes[index].1
    }

    /// Factor of a rope's cos and sin.
    pub fn rope_scale(&self, index: usize) -> f32 {
        self.ropes[index].2
    }
}

/// cos and sin of the angles of d, 128 · d and 128² · d positions, `[3, 128, pairs, 2]`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "angles in f64, values in f32"
)]
pub fn rope_table(rope: &RopeTable) -> Vec<f32> {
    let positions = (0..DIGITS).flat_map(|level| (0..DIGIT).map(move |digit| digit * DIGIT.pow(level)));
    let angles = positions.flat_map(|p| rope.frequencies.iter().map(move |f| (p as f64 * f).sin_cos()));
    angles.flat_map(|(sin, cos)| [cos as f32, sin as f32]).collect()
}
