//! From the vectors of a text's tokens to one vector of the text, of length 1.

use crate::error::{Result, bail};
use crate::spec::Pooling;

/// Takes the vectors of a text's tokens, in order.
pub struct Pool {
    pooling: Pooling,
    vector: Vec<f32>,
    empty: bool,
}

impl Pool {
    /// For vectors of `width` numbers.
    pub fn new(pooling: Pooling, width: usize) -> Self {
        Self { pooling, vector: vec![0.0; width], empty: true }
    }

    /// Takes the next ones, `[tokens, width]`.
    pub fn add(&mut self, rows: &[f32]) {
        for row in rows.chunks_exact(self.vector.len()) {
            match self.pooling {
                // The mean points where the sum does, and its length is of no interest.
                Pooling::Mean => self.vector.iter_mut().zip(row).for_each(|(sum, v)| *sum += v),
                Pooling::First if !self.empty => {}
                Pooling::First | Pooling::Last => self.vector.copy_from_slice(row),
            }
            self.empty = false;
        }
    }

    /// The text's vector.
    ///
    /// # Errors
    /// `numeric_error` if it has no direction.
    pub fn finish(mut self) -> Result<Vec<f32>> {
        let length = self.vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        if !length.is_normal() {
            bail!(NumericError, "the model computed a vector of length {length}");
        }
        #[allow(clippy::cast_possible_truncation, reason = "summed in f64, returned as f32")]
        self.vector.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
        Ok(self.vector)
    }
}
