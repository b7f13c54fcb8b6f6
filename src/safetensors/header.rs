//! One file: eight bytes of length, a JSON object of tensors, their bytes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{json, names};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::gguf::TensorInfo;
use crate::kernels::formats::Format;
use crate::source::Source;

/// The reference implementation allows no longer header.
const MAX_HEADER: u64 = 100 << 20;
/// The largest number of elements of a tensor: products of extents stay far from overflow.
const MAX_ELEMENTS: u64 = 1 << 40;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Length of the header, if these are the first nine bytes of such a file.
pub fn length(head: &[u8], file_len: Option<u64>) -> Option<u64> {
    let (length, rest) = head.split_first_chunk::<8>()?;
    let length = u64::from_le_bytes(*length);
    let fits = length <= MAX_HEADER && file_len.is_none_or(|file_len| length <= file_len.saturating_sub(8));
    (rest.first() == Some(&b'{') && fits).then_some(length)
}

/// The next bytes, all of them.
///
/// # Errors
/// `truncated_file`, and what the source fails with.
pub async fn read_range(part: &dyn Source, offset: u64, len: u64) -> Result<Vec<u8>> {
    let bytes = part.read(offset, len).await?;
    if bytes.len() as u64 == len {
        return Ok(bytes);
    }
    let detail = format!("a safetensors file needs {len} bytes at {offset}, the source gave {}", bytes.len());
    Err(Error::new(ErrorKind::TruncatedFile, detail)
        .with_hint("The download was probably cut off: fetch the file again."))
}

/// The tensors of one file, under the names it gives them; offsets count from the start of the file.
///
/// # Errors
/// `corrupt_file`, `truncated_file`, `unsupported_quantization`, and what the source fails with.
pub async fn read_tensors(part: &dyn Source) -> Result<Vec<TensorInfo>> {
    let Some(length) = length(&read_range(part, 0, 9).await?, part.len()) else {
        bail!(CorruptFile, "a safetensors file has no header");
    };
    let header = read_range(part, 8, length).await?;
    let entries: BTreeMap<String, &RawValue> = json(&header, "the header of a safetensors file")?;
    let tensors = entries.iter().filter(|(name, _)| *name != "__metadata__" && !names::is_derived(name));
    tensors
        .map(|(name, entry)| {
            tensor(name, json(entry.get().as_bytes(), &format!("tensor {name}"))?, 8 + length)
        })
        .collect()
}

fn tensor(name: &str, entry: Entry, data_start: u64) -> Result<TensorInfo> {
    let format = match entry.dtype.as_str() {
        "F32" => Format::F32,
        "F16" => Format::F16,
        "BF16" => Format::BF16,
        other => {
            return Err(Error::new(
                ErrorKind::UnsupportedQuantization,
                format!("tensor {name} has type {other}"),
            )
            .with_hint("Supported in safetensors files are F32, F16 and BF16."));
        }
    };
    let elements = entry.shape.iter().try_fold(1u64, |product, &extent| {
        product.checked_mul(extent).filter(|&n| n <= MAX_ELEMENTS && n > 0)
    });
    let elements = elements.filter(|&n| usize::try_from(n).is_ok());
    let Some(elements) = elements else { bail!(CorruptFile, "tensor {name} has an impossible shape") };
    let (begin, end) = entry.data_offsets;
    let bytes = elements * format.block_bytes() as u64;
    if end.checked_sub(begin) != Some(bytes) {
        bail!(CorruptFile, "tensor {name} has {elements} elements in bytes {begin} to {end}");
    }
    let Some(offset) = begin.checked_add(data_start) else {
        bail!(CorruptFile, "tensor {name} has an impossible offset")
    };
    // Rows come first there, last here. The products above fit, so do their factors.
    let shape =
        entry.shape.iter().rev().map(|&extent| usize::try_from(extent).unwrap_or(usize::MAX)).collect();
    Ok(TensorInfo { name: name.to_string(), shape, format, part: 0, offset, bytes })
}
