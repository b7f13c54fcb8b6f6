//! A file on disk, for native tests and tools.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{LocalFuture, Source};
use crate::error::{Error, ErrorKind, Result};

/// A file on disk.
pub struct FileSource {
    path: PathBuf,
    len: u64,
}

impl FileSource {
    /// A source over the file at `path`.
    ///
    /// # Errors
    /// `invalid_request` if there is no such file.
    pub fn open(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|error| {
            Error::new(ErrorKind::InvalidRequest, format!("cannot open {}: {error}", path.display()))
        })?;
        Ok(Self { path: path.to_owned(), len: metadata.len() })
    }

    fn read_now(&self, offset: u64, len: u64) -> std::io::Result<Vec<u8>> {
        let len = len.min(self.len.saturating_sub(offset));
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(len).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Source for FileSource {
    fn len(&self) -> Option<u64> {
        Some(self.len)
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
        let bytes = self.read_now(offset, len).map_err(|error| {
            Error::new(ErrorKind::TruncatedFile, format!("cannot read {}: {error}", self.path.display()))
        });
        Box::pin(std::future::ready(bytes))
    }
}
