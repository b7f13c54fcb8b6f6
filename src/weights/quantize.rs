//! Quantisation at load: a sink in front of the engine, which turns rows of plain numbers into blocks.

use super::plan::Plan;
use crate::engine::WeightSink;
use crate::error::Result;
use crate::gguf::Gguf;
use crate::kernels::formats::{Format, Layout, quantize_q4_0, quantize_q8_0};
use crate::recording::{MatrixId, VectorId};

/// Weights in a block of the formats that can be made here.
const BLOCK: usize = 32;

/// A format that weights can be brought into at load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// 8 bits.
    Q8_0,
    /// 4 bits.
    Q4_0,
}

impl Target {
    /// The format.
    pub fn format(self) -> Format {
        match self {
            Target::Q8_0 => Format::Q8_0,
            Target::Q4_0 => Format::Q4_0,
        }
    }

    fn append(self, weights: &[f32; BLOCK], out: &mut Vec<u8>) {
        match self {
            Target::Q8_0 => {
                let mut block = [0; 34];
                quantize_q8_0(weights, &mut block);
                out.extend_from_slice(&block);
            }
            Target::Q4_0 => {
                let mut block = [0; 18];
                quantize_q4_0(weights, &mut block);
                out.extend_from_slice(&block);
            }
        }
    }
}

impl Plan {
    /// Asks for `target` wherever the file has plain numbers in rows of whole blocks.
    pub fn quantize(&mut self, target: Target) {
        for matrix in &mut self.matrices {
            if matches!(matrix.format.layout(), Layout::Plain(..)) && matrix.columns.is_multiple_of(BLOCK) {
                matrix.format = target.format();
            }
        }
    }
}

/// Brings rows into the format that the plan asks for; those that have it already pass untouched.
pub struct Quantizer<'a> {
    sink: &'a mut dyn WeightSink,
    /// By matrix: the file's format, what is asked for, and the length of a row.
    formats: Vec<(Format, Format, usize)>,
    weights: Vec<f32>,
}

impl<'a> Quantizer<'a> {
    /// A quantiser in front of `sink` for what `plan` takes from `gguf`.
    pub fn new(sink: &'a mut dyn WeightSink, gguf: &Gguf, plan: &Plan) -> Self {
        let formats = plan.matrices.iter().map(|matrix| {
            let stored = gguf.tensors.get(matrix.tensor).map_or(matrix.format, |tensor| tensor.format);
            (stored, matrix.format, matrix.columns)
        });
        Self { formats: formats.collect(), sink, weights: Vec::new() }
    }
}

impl WeightSink for Quantizer<'_> {
    fn rows(&mut self, id: MatrixId, first: usize, bytes: &[u8]) -> Result<()> {
        let Some(&(stored, wanted, columns)) = self.formats.get(id.0) else { return Ok(()) };
        let target = match wanted {
            _ if stored == wanted => return self.sink.rows(id, first, bytes),
            Format::Q4_0 => Target::Q4_0,
            _ => Target::Q8_0,
        };
        let row_bytes = stored.row_bytes(columns);
        let mut quantized = Vec::with_capacity(bytes.len() / row_bytes * wanted.row_bytes(columns));
        self.weights.resize(columns, 0.0);
        for row in bytes.chunks_exact(row_bytes) {
            stored.dequantize(row, &mut self.weights);
            self.weights
                .as_chunks::<BLOCK>()
                .0
                .iter()
                .for_each(|weights| target.append(weights, &mut quantized));
        }
        self.sink.rows(id, first, &quantized)
    }

    fn vector(&mut self, id: VectorId, values: Vec<f32>) {
        self.sink.vector(id, values);
    }
}
