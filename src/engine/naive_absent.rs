//! Where the oracle would be: nothing in a browser asks for it, and every page would fetch its kernels.

use super::{Batch, Engine, SequenceId, WeightSink};
use crate::error::Result;
use crate::recording::{MatrixId, Recording, VectorId, View};
use crate::weights::Plan;

/// An engine that cannot be made.
pub enum NaiveEngine {}

impl NaiveEngine {
    /// Never called: requests name the CPU or the GPU.
    pub fn new(_recording: Recording, _plan: &Plan) -> Self {
        unreachable!("the oracle is not part of the module")
    }
}

impl WeightSink for NaiveEngine {
    fn rows(&mut self, _id: MatrixId, _first: usize, _bytes: &[u8]) -> Result<()> {
        match *self {}
    }

    fn vector(&mut self, _id: VectorId, _values: Vec<f32>) {
        match *self {}
    }
}

impl Engine for NaiveEngine {
    async fn open(&mut self, _context: usize) -> Result<SequenceId> {
        match *self {}
    }

    fn close(&mut self, _sequence: SequenceId) {
        match *self {}
    }

    fn copy(&mut self, _from: SequenceId, _to: SequenceId, _tokens: usize) -> Result<()> {
        match *self {}
    }

    async fn run(&mut self, _batch: Batch<'_>) -> Result<()> {
        match *self {}
    }

    fn logits(&mut self) -> &mut [f32] {
        match *self {}
    }

    async fn read(&mut self, _x: View) -> Result<Vec<f32>> {
        match *self {}
    }
}
