//! Parses one file's header from its first bytes.

use super::cursor::{Cursor, Stop};
use super::{Array, Metadata, TensorInfo, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::formats::Format;

/// `GGUF`
const MAGIC: [u8; 4] = *b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;
/// ggml itself knows no more.
const MAX_DIMENSIONS: u32 = 4;
/// Arrays of arrays: no known file nests deeper than two.
const MAX_NESTING: u32 = 4;

/// What one file's header says.
#[derive(Debug, Clone)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// Key-value pairs.
    pub metadata: Metadata,
    /// Tensor table; offsets count from the start of the file.
    pub tensors: Vec<TensorInfo>,
}

/// Outcome of parsing a prefix.
pub enum Parsed {
    /// The header is complete.
    Whole(Box<Header>),
    /// The header goes on: at least this many bytes of the file are needed.
    NeedMore(u64),
}

/// Parses the header in `prefix`, the first bytes of a file of `file_len` bytes (if that is known).
///
/// # Errors
/// `not_gguf`, `unsupported_version`, `truncated_file`, `corrupt_file`, `unsupported_quantization`.
pub fn parse_header(prefix: &[u8], file_len: Option<u64>) -> Result<Parsed> {
    let mut cursor = Cursor::new(prefix, file_len);
    match header(&mut cursor, prefix) {
        Ok(header) => Ok(Parsed::Whole(Box::new(header))),
        Err(Stop::NeedMore(bytes)) => Ok(Parsed::NeedMore(bytes)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn fail<T>(kind: ErrorKind, detail: String) -> Result<T, Stop> {
    Err(Error::new(kind, detail).into())
}

fn header(cursor: &mut Cursor<'_>, prefix: &[u8]) -> Result<Header, Stop> {
    check_magic(prefix)?;
    cursor.take(4, "the magic")?;
    let version = cursor.u32("the version")?;
    if version != 0 && version.swap_bytes() < 16 {
        let detail = "the file is big-endian".to_string();
        return Err(Error::new(ErrorKind::UnsupportedVersion, detail)
            .with_hint("Convert it with gguf_convert_endian.py.")
            .into());
    }
    if !(2..=3).contains(&version) {
        let detail = format!("GGUF version {version}; versions 2 and 3 are supported");
        return fail(ErrorKind::UnsupportedVersion, detail);
    }
    // The smallest tensor entry: name length, dimension count, type, offset.
    let n_tensors = cursor.count(8 + 4 + 4 + 8, "the tensor count")?;
    // The smallest pair: key length, type, one byte.
    let n_pairs = cursor.count(8 + 4 + 1, "the metadata count")?;
    let mut metadata = Metadata::default();
    for _ in 0..n_pairs {
        let key = cursor.string("a metadata key")?;
        let value_type = cursor.u32(&key)?;
        let value = value(cursor, value_type, &key, 0)?;
        if !metadata.insert(key.clone(), value) {
            return fail(ErrorKind::CorruptFile, format!("metadata key {key} appears twice"));
        }
    }
    let alignment = alignment(&metadata)?;
    let mut tensors = Vec::new();
    for _ in 0..n_tensors {
        tensors.push(tensor(cursor, alignment)?);
    }
    let data_start = cursor.position().next_multiple_of(alignment);
    for tensor in &mut tensors {
        tensor.offset = match tensor.offset.checked_add(data_start) {
            Some(offset) => offset,
            None => {
                return fail(
                    ErrorKind::CorruptFile,
                    format!("tensor {} has an impossible offset", tensor.name),
                );
            }
        };
    }
    Ok(Header { version, metadata, tensors })
}

fn check_magic(prefix: &[u8]) -> Result<(), Stop> {
    if prefix.is_empty() {
        return fail(ErrorKind::NotGguf, "the file is empty".into());
    }
    let compared = prefix.len().min(MAGIC.len());
    if prefix.get(..compared) == MAGIC.get(..compared) {
        return Ok(());
    }
    let start =
        String::from_utf8_lossy(prefix.get(..prefix.len().min(64)).unwrap_or_default()).to_lowercase();
    let start = start.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<?xml") {
        let detail = "found a web page where a GGUF file was expected".to_string();
        return Err(Error::new(ErrorKind::NotGguf, detail)
            .with_hint("The URL probably leads to a page about the file, or to a login or error page: use the direct link.")
            .into());
    }
    // A safetensors file: eight bytes of length, then JSON.
    if prefix.get(8) == Some(&b'{') {
        let detail = "found a single safetensors file where a GGUF file was expected".to_string();
        return Err(Error::new(ErrorKind::NotGguf, detail)
            .with_hint("Give config.json, tokenizer.json, tokenizer_config.json and every .safetensors file of the model together.")
            .into());
    }
    let found: Vec<String> = prefix.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    fail(
        ErrorKind::NotGguf,
        format!("the file begins with {} where `GGUF` (47 47 55 46) was expected", found.join(" ")),
    )
}

fn alignment(metadata: &Metadata) -> Result<u64, Stop> {
    let alignment = match metadata.get("general.alignment") {
        None => DEFAULT_ALIGNMENT,
        // Of a wrong type: no power of two.
        Some(_) => metadata.u64("general.alignment").unwrap_or(0),
    };
    if !alignment.is_power_of_two() || alignment > 1 << 20 {
        return fail(ErrorKind::CorruptFile, format!("general.alignment is {alignment}"));
    }
    Ok(alignment)
}

/// One value of the numbered type.
fn value(cursor: &mut Cursor<'_>, value_type: u32, key: &str, depth: u32) -> Result<Value, Stop> {
    Ok(match value_type {
        0 => Value::U8(cursor.u8(key)?),
        1 => Value::I8(cursor.u8(key)?.cast_signed()),
        2 => Value::U16(cursor.u16(key)?),
        3 => Value::I16(cursor.u16(key)?.cast_signed()),
        4 => Value::U32(cursor.u32(key)?),
        5 => Value::I32(cursor.u32(key)?.cast_signed()),
        6 => Value::F32(f32::from_bits(cursor.u32(key)?)),
        7 => Value::Bool(boolean(cursor, key)?),
        8 => Value::Str(cursor.string(key)?),
        9 => Value::Array(array(cursor, key, depth)?),
        10 => Value::U64(cursor.u64(key)?),
        11 => Value::I64(cursor.u64(key)?.cast_signed()),
        12 => Value::F64(f64::from_bits(cursor.u64(key)?)),
        other => return fail(ErrorKind::CorruptFile, format!("metadata key {key} has unknown type {other}")),
    })
}

fn boolean(cursor: &mut Cursor<'_>, key: &str) -> Result<bool, Stop> {
    match cursor.u8(key)? {
        0 => Ok(false),
        1 => Ok(true),
        other => fail(ErrorKind::CorruptFile, format!("metadata key {key} is a boolean of value {other}")),
    }
}

fn array(cursor: &mut Cursor<'_>, key: &str, depth: u32) -> Result<Array, Stop> {
    if depth >= MAX_NESTING {
        return fail(ErrorKind::CorruptFile, format!("metadata key {key} nests arrays too deeply"));
    }
    let element = cursor.u32(key)?;
    let min_bytes = match element {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        8 | 10..=12 => 8,
        9 => 12,
        other => {
            return fail(
                ErrorKind::CorruptFile,
                format!("metadata key {key} is an array of unknown type {other}"),
            );
        }
    };
    let count = cursor.count(min_bytes, key)?;
    // Room grows with what was really read: a false count costs nothing.
    let mut ints = Vec::new();
    let mut floats = Vec::new();
    let mut bools = Vec::new();
    let mut strs = Vec::new();
    let mut arrays = Vec::new();
    for _ in 0..count {
        match value(cursor, element, key, depth + 1)? {
            Value::U8(v) => ints.push(v.into()),
            Value::I8(v) => ints.push(v.into()),
            Value::U16(v) => ints.push(v.into()),
            Value::I16(v) => ints.push(v.into()),
            Value::U32(v) => ints.push(v.into()),
            Value::I32(v) => ints.push(v.into()),
            Value::U64(v) => ints.push(v.cast_signed()),
            Value::I64(v) => ints.push(v),
            Value::F32(v) => floats.push(v.into()),
            Value::F64(v) => floats.push(v),
            Value::Bool(v) => bools.push(v),
            Value::Str(v) => strs.push(v),
            Value::Array(v) => arrays.push(v),
        }
    }
    Ok(match element {
        6 | 12 => Array::Floats(floats),
        7 => Array::Bools(bools),
        8 => Array::Strs(strs),
        9 => Array::Arrays(arrays),
        _ => Array::Ints(ints),
    })
}

/// One entry of the tensor table; `offset` still counts from the start of the data.
fn tensor(cursor: &mut Cursor<'_>, alignment: u64) -> Result<TensorInfo, Stop> {
    let name = cursor.string("a tensor name")?;
    let n_dims = cursor.u32(&name)?;
    if !(1..=MAX_DIMENSIONS).contains(&n_dims) {
        return fail(ErrorKind::CorruptFile, format!("tensor {name} has {n_dims} dimensions"));
    }
    let mut shape = Vec::new();
    let mut elements: u64 = 1;
    for _ in 0..n_dims {
        let extent = cursor.u64(&name)?;
        // All products of extents are taken as `usize` later.
        let product =
            elements.checked_mul(extent).filter(|&n| n > 0 && n < 1 << 40 && usize::try_from(n).is_ok());
        let (Some(product), Ok(extent)) = (product, usize::try_from(extent)) else {
            return fail(ErrorKind::CorruptFile, format!("tensor {name} has an impossible shape"));
        };
        elements = product;
        shape.push(extent);
    }
    let id = cursor.u32(&name)?;
    let format = Format::from_ggml_id(id, &name)?;
    let columns = shape.first().copied().unwrap_or(1);
    if columns % format.block_len() != 0 {
        let detail = format!(
            "tensor {name} has rows of {columns}, no multiple of {format:?}'s block of {}",
            format.block_len()
        );
        return fail(ErrorKind::CorruptFile, detail);
    }
    let bytes = elements / format.block_len() as u64 * format.block_bytes() as u64;
    let offset = cursor.u64(&name)?;
    if offset % alignment != 0 {
        return fail(ErrorKind::CorruptFile, format!("tensor {name} is not aligned to {alignment} bytes"));
    }
    Ok(TensorInfo { name, shape, format, part: 0, offset, bytes })
}
