//! Streams tensors in file order from their source into an engine.

use std::collections::BTreeMap;

use super::plan::Plan;
use crate::cancel::Cancel;
use crate::engine::WeightSink;
use crate::error::{Error, ErrorKind, Result};
use crate::gguf::{Gguf, TensorInfo};
use crate::recording::{MatrixId, VectorId};
use crate::source::Source;
use crate::task::Pace;

/// What is read at once: little enough that progress is told often on a slow line.
const CHUNK_BYTES: u64 = 256 << 10;

/// Where the rows of one tensor go: destination row of each source row, by matrix.
type Destinations = Vec<(MatrixId, Vec<u32>)>;
const NOWHERE: u32 = u32::MAX;

/// Sends everything in `plan` to `sink`, in the order in which it lies in the files.
///
/// `on_bytes` is told how many bytes have been handed over, whenever that number grows.
///
/// # Errors
/// What the source fails with, `truncated_file`, `aborted`.
pub async fn stream(
    gguf: &Gguf,
    parts: &[Box<dyn Source>],
    plan: &Plan,
    sink: &mut dyn WeightSink,
    cancel: &Cancel,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<()> {
    let (matrices, vectors) = by_tensor(gguf, plan);
    let mut order: Vec<(usize, &TensorInfo)> = gguf.tensors.iter().enumerate().collect();
    order.sort_by_key(|(_, tensor)| (tensor.part, tensor.offset));
    let mut done = 0;
    let mut current = None;
    let mut pace = Pace::start();
    for (index, tensor) in order {
        let Some(part) = parts.get(tensor.part) else { continue };
        if current.replace(tensor.part) != Some(tensor.part) {
            part.read_ahead();
        }
        if let Some(destinations) = matrices.get(&index) {
            stream_rows(tensor, part.as_ref(), destinations, sink, cancel, &mut pace, &mut |bytes| {
                on_bytes(done + bytes)
            })
            .await?;
        }
        for id in vectors.get(&index).into_iter().flatten() {
            let values = load_vector(tensor, part.as_ref()).await?;
            if let Some(vector) = plan.vectors.get(id.0) {
                let chosen = vector.order.sources().filter_map(|i| values.get(i).copied()).collect();
                sink.vector(*id, chosen);
            }
        }
        done += tensor.bytes;
        on_bytes(done);
    }
    Ok(())
}

/// Which matrices and vectors each tensor feeds.
fn by_tensor(gguf: &Gguf, plan: &Plan) -> (BTreeMap<usize, Destinations>, BTreeMap<usize, Vec<VectorId>>) {
    let mut matrices: BTreeMap<usize, Destinations> = BTreeMap::new();
    for (id, matrix) in plan.matrices.iter().enumerate() {
        let rows = gguf.tensors.get(matrix.tensor).map_or(0, TensorInfo::rows);
        let mut destinations = vec![NOWHERE; rows];
        for (row, source) in (0..).zip(matrix.order.sources()) {
            if let Some(slot) = destinations.get_mut(source) {
                *slot = row;
            }
        }
        matrices.entry(matrix.tensor).or_default().push((MatrixId(id), destinations));
    }
    let mut vectors: BTreeMap<usize, Vec<VectorId>> = BTreeMap::new();
    for (id, vector) in plan.vectors.iter().enumerate() {
        vectors.entry(vector.tensor).or_default().push(VectorId(id));
    }
    (matrices, vectors)
}

async fn stream_rows(
    tensor: &TensorInfo,
    part: &dyn Source,
    destinations: &Destinations,
    sink: &mut dyn WeightSink,
    cancel: &Cancel,
    pace: &mut Pace,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<()> {
    let row_bytes = tensor.format.row_bytes(tensor.columns()) as u64;
    let rows_at_once = (CHUNK_BYTES / row_bytes).max(1);
    let rows = tensor.rows() as u64;
    let mut first = 0;
    while first < rows {
        // Bytes from a disk are there at once: nothing else would let an abort in.
        pace.breathe().await;
        cancel.check()?;
        let count = rows_at_once.min(rows - first);
        let bytes = read_exactly(tensor, part, tensor.offset + first * row_bytes, count * row_bytes).await?;
        for (id, rows) in destinations {
            let rows = rows.iter().skip(usize::try_from(first).unwrap_or(usize::MAX));
            write_runs(*id, rows, &bytes, row_bytes, sink)?;
        }
        first += count;
        on_bytes(first * row_bytes);
    }
    Ok(())
}

/// Writes `bytes`, rows of a tensor, to their destinations: neighbours that stay neighbours in one call.
fn write_runs<'a>(
    id: MatrixId,
    destinations: impl Iterator<Item = &'a u32>,
    bytes: &[u8],
    row_bytes: u64,
    sink: &mut dyn WeightSink,
) -> Result<()> {
    let row_bytes = usize::try_from(row_bytes).unwrap_or(usize::MAX);
    let mut run: Option<(u32, usize, usize)> = None; // first destination row, start and end byte
    for (&destination, start) in destinations.zip((0..bytes.len()).step_by(row_bytes)) {
        let end = start + row_bytes;
        run = match run {
            Some((first, from, to))
                if destination != NOWHERE
                    && first as usize + (to - from) / row_bytes == destination as usize =>
            {
                Some((first, from, end))
            }
            previous => {
                if let Some((first, from, to)) = previous {
                    sink.rows(id, first as usize, bytes.get(from..to).unwrap_or_default())?;
                }
                (destination != NOWHERE).then_some((destination, start, end))
            }
        };
    }
    if let Some((first, from, to)) = run {
        sink.rows(id, first as usize, bytes.get(from..to).unwrap_or_default())?;
    }
    Ok(())
}

/// The whole tensor as f32.
///
/// # Errors
/// What the source fails with, `truncated_file`.
pub async fn load_vector(tensor: &TensorInfo, part: &dyn Source) -> Result<Vec<f32>> {
    let bytes = read_exactly(tensor, part, tensor.offset, tensor.bytes).await?;
    let mut values = vec![0.0; tensor.elements()];
    tensor.format.dequantize(&bytes, &mut values);
    Ok(values)
}

async fn read_exactly(tensor: &TensorInfo, part: &dyn Source, offset: u64, len: u64) -> Result<Vec<u8>> {
    let bytes = part.read(offset, len).await?;
    if bytes.len() as u64 == len {
        return Ok(bytes);
    }
    let detail =
        format!("tensor {} needs {len} bytes at {offset}, the source gave {}", tensor.name, bytes.len());
    Err(Error::new(ErrorKind::TruncatedFile, detail)
        .with_hint("The download was probably cut off: fetch the file again."))
}
