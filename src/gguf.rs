//! The container: metadata and a table of tensors, then their bytes.
//!
//! Versions 2 and 3, little-endian, whole or split with `gguf-split`. The header is read from the
//! first ranges of a source, never from the whole of it, and every length in it is checked against
//! what is left before anything is allocated.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cursor;
mod header;
mod metadata;

pub use header::{Header, Parsed, parse_header};
pub use metadata::{Array, Metadata, Value};

use std::collections::HashMap;

use crate::error::{Error, ErrorKind, Result, bail};
use crate::kernels::formats::Format;
use crate::source::Source;

/// First read of a header; it doubles until the header fits.
const FIRST_READ: u64 = 256 << 10;
/// No header is larger: 262 k tokens and as many merges take about 16 MB.
const MAX_HEADER: u64 = 256 << 20;

/// One tensor of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// Name, as `blk.0.attn_q.weight`.
    pub name: String,
    /// Extents, fastest first: `[columns, rows, …]`.
    pub shape: Vec<usize>,
    /// Element or block type.
    pub format: Format,
    /// Which of the model's files holds it.
    pub part: usize,
    /// First byte, from the start of that file.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
}

impl TensorInfo {
    /// Length of one row, in elements.
    pub fn columns(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Number of rows, all outer extents multiplied.
    pub fn rows(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A model file: what is in it and where.
#[derive(Debug, Clone)]
pub struct Gguf {
    /// Metadata of the first part.
    pub metadata: Metadata,
    /// All tensors of all parts, in file order.
    pub tensors: Vec<TensorInfo>,
    /// Bytes of all parts together.
    pub total_bytes: u64,
    by_name: HashMap<String, usize>,
}

impl Gguf {
    /// Reads the headers of all parts.
    ///
    /// # Errors
    /// `not_gguf`, `unsupported_version`, `truncated_file`, `corrupt_file`, `unsupported_quantization`,
    /// and what the source fails with.
    pub async fn read(parts: &[Box<dyn Source>]) -> Result<Self> {
        let Some(first) = parts.first() else { bail!(InvalidRequest, "a model needs at least one file") };
        let head = read_header(first.as_ref()).await?;
        let expected = head.metadata.u64("split.count").unwrap_or(1).max(1);
        if expected != parts.len() as u64 {
            bail!(InvalidRequest, "the model is split into {expected} files, {} given", parts.len());
        }
        let mut gguf = Self {
            metadata: Metadata::default(),
            tensors: Vec::new(),
            total_bytes: 0,
            by_name: HashMap::new(),
        };
        for (index, part) in parts.iter().enumerate() {
            let header = if index == 0 { head.clone() } else { read_header(part.as_ref()).await? };
            if parts.len() > 1 && header.metadata.u64("split.no") != Some(index as u64) {
                bail!(
                    InvalidRequest,
                    "file {index} of the split model has split.no {:?}: files are out of order or missing",
                    header.metadata.u64("split.no")
                );
            }
            gguf.add_part(header.tensors, index, part.len())?;
        }
        gguf.metadata = head.metadata;
        Ok(gguf)
    }

    /// A table that other files than GGUF's were translated into: by file its number, its length and its tensors.
    ///
    /// # Errors
    /// `corrupt_file`, `truncated_file`
    pub(crate) fn of_tables(
        metadata: Metadata,
        files: Vec<(usize, Option<u64>, Vec<TensorInfo>)>,
        total_bytes: u64,
    ) -> Result<Self> {
        let mut gguf = Self { metadata, tensors: Vec::new(), total_bytes: 0, by_name: HashMap::new() };
        for (number, file_len, tensors) in files {
            gguf.add_part(tensors, number, file_len)?;
        }
        gguf.total_bytes = total_bytes;
        Ok(gguf)
    }

    fn add_part(&mut self, tensors: Vec<TensorInfo>, part: usize, file_len: Option<u64>) -> Result<()> {
        for mut tensor in tensors {
            let end = tensor.offset.checked_add(tensor.bytes);
            let Some(end) = end else {
                bail!(CorruptFile, "tensor {} has an impossible offset", tensor.name)
            };
            if let Some(file_len) = file_len.filter(|&len| end > len) {
                return Err(Error::new(
                    ErrorKind::TruncatedFile,
                    format!("tensor {} ends at byte {end}, the file has {file_len}", tensor.name),
                )
                .with_hint("The download was probably cut off: fetch the file again."));
            }
            tensor.part = part;
            if self.by_name.insert(tensor.name.clone(), self.tensors.len()).is_some() {
                bail!(CorruptFile, "tensor {} appears twice", tensor.name);
            }
            self.tensors.push(tensor);
        }
        self.total_bytes += file_len.unwrap_or(0);
        Ok(())
    }

    /// The tensor called `name`.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.by_name.get(name).and_then(|&index| self.tensors.get(index))
    }
}

/// Reads a longer and longer prefix until the header parses.
async fn read_header(source: &dyn Source) -> Result<Header> {
    let file_len = source.len();
    let mut want = FIRST_READ;
    let mut prefix = Vec::new();
    loop {
        let want_now = file_len.map_or(want, |len| want.min(len));
        let have = prefix.len() as u64;
        if want_now > have {
            prefix.extend_from_slice(&source.read(have, want_now - have).await?);
        }
        let known_len = if (prefix.len() as u64) < want_now { Some(prefix.len() as u64) } else { file_len };
        match parse_header(&prefix, known_len)? {
            Parsed::Whole(header) => return Ok(*header),
            Parsed::NeedMore(bytes) if bytes > MAX_HEADER => {
                bail!(CorruptFile, "the header claims more than {} MB", MAX_HEADER >> 20)
            }
            Parsed::NeedMore(bytes) => want = (prefix.len() as u64 * 2).max(bytes),
        }
    }
}
