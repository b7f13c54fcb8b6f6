//! What a model that writes has made of each token: the residual stream after the last layer and the final norm.
//!
//! Every engine leaves the stream in a buffer of the recording, so [`Engine::read`](crate::engine::Engine::read) is all
//! that is asked of one. The norm, which engines fuse into the output projection, is computed here.

use crate::engine::WeightSink;
use crate::error::Result;
use crate::kernels::memory::Memory;
use crate::kernels::norm::NormParams;
use crate::recording::{MatrixId, Op, Recording, VectorId, View};

/// Where the residual stream is, and the norm behind it.
pub struct Readout {
    /// `[tokens, hidden]`
    pub stream: View,
    norm: NormParams,
    /// Holds the norm's vectors and nothing else.
    memory: Memory,
}

impl Readout {
    /// Of a recording, before its weights are loaded.
    pub fn new(recording: &Recording) -> Self {
        let Some(Op::Logits(logits)) = recording.ops.last() else {
            unreachable!("a recording ends with its logits")
        };
        let norm = logits.norm;
        let vectors = [norm.weight, norm.bias].into_iter().flatten().map(|id| id.0 + 1).max().unwrap_or(0);
        let memory = Memory { vectors: vec![Vec::new(); vectors], ..Memory::default() };
        Self { stream: logits.x, norm, memory }
    }

    /// `sink`, with an ear for the norm's vectors.
    pub fn listening<'a>(&'a mut self, sink: &'a mut dyn WeightSink) -> Listener<'a> {
        Listener { readout: self, sink }
    }

    /// Normalises every row of `rows`, `[tokens, hidden]`.
    pub fn norm(&self, rows: &mut [f32]) {
        rows.chunks_exact_mut(self.stream.width).for_each(|row| self.norm.naive(&self.memory, row));
    }
}

/// Passes weights on, and keeps a copy of the final norm's.
pub struct Listener<'a> {
    readout: &'a mut Readout,
    sink: &'a mut dyn WeightSink,
}

impl WeightSink for Listener<'_> {
    fn rows(&mut self, id: MatrixId, first: usize, bytes: &[u8]) -> Result<()> {
        self.sink.rows(id, first, bytes)
    }

    fn vector(&mut self, id: VectorId, values: Vec<f32>) {
        let NormParams { weight, bias, .. } = self.readout.norm;
        if [weight, bias].contains(&Some(id)) {
            self.readout.memory.vectors[id.0].clone_from(&values);
        }
        self.sink.vector(id, values);
    }
}
