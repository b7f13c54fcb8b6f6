//! Reads little-endian values from the first bytes of a file whose whole length may be known.

use crate::error::{Error, ErrorKind, Result};

/// Nothing in a header is longer than this: a larger length is damage, not a short file.
const MAX_LENGTH: u64 = 1 << 32;

/// Why a header could not be read to its end.
pub(super) enum Stop {
    /// The prefix is too short; at least this many bytes are needed.
    NeedMore(u64),
    /// More bytes would not help.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

pub(super) struct Cursor<'a> {
    prefix: &'a [u8],
    position: usize,
    /// Length of the whole file, where the source knows it.
    file_len: Option<u64>,
}

impl<'a> Cursor<'a> {
    pub fn new(prefix: &'a [u8], file_len: Option<u64>) -> Self {
        Self { prefix, position: 0, file_len }
    }

    pub fn position(&self) -> u64 {
        self.position as u64
    }

    /// The next `len` bytes. Checked against what is left of the file before anything else happens.
    pub fn take(&mut self, len: u64, what: &str) -> Result<&'a [u8], Stop> {
        self.expect_left(len, what)?;
        let end = self.position() + len;
        let bytes = usize::try_from(end).ok().and_then(|end| self.prefix.get(self.position..end));
        let Some(bytes) = bytes else { return Err(Stop::NeedMore(end)) };
        self.position += bytes.len();
        Ok(bytes)
    }

    /// Fails if fewer than `len` bytes are left in the file.
    fn expect_left(&self, len: u64, what: &str) -> Result<(), Stop> {
        let at = self.position();
        if len > MAX_LENGTH {
            let detail = format!("{what} at byte {at} claims {len} bytes");
            return Err(Error::new(ErrorKind::CorruptFile, detail).into());
        }
        match self.file_len {
            Some(file_len) if at + len > file_len => {
                let detail = format!(
                    "the file ends inside its header: {what} at byte {at} needs {len} bytes, the file has {file_len}"
                );
                Err(Error::new(ErrorKind::TruncatedFile, detail)
                    .with_hint("The download was probably cut off: fetch the file again.")
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// Checks an element count against the bytes that are left; returns it as a `usize`.
    pub fn count(&mut self, min_bytes_each: u64, what: &str) -> Result<usize, Stop> {
        let count = self.u64(what)?;
        let bytes = count.saturating_mul(min_bytes_each);
        self.expect_left(bytes, what)?;
        usize::try_from(count)
            .map_err(|_| Error::new(ErrorKind::CorruptFile, format!("{what} counts {count}")).into())
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Stop> {
        let bytes = self.take(N as u64, what)?;
        // `take` returned exactly N bytes; the default is never used.
        Ok(bytes.try_into().unwrap_or([0; N]))
    }

    pub fn u8(&mut self, what: &str) -> Result<u8, Stop> {
        self.array::<1>(what).map(u8::from_le_bytes)
    }

    pub fn u16(&mut self, what: &str) -> Result<u16, Stop> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub fn u32(&mut self, what: &str) -> Result<u32, Stop> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, what: &str) -> Result<u64, Stop> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A length-prefixed string. Token texts of real files are not always UTF-8, so damage there is
    /// replaced, not refused.
    pub fn string(&mut self, what: &str) -> Result<String, Stop> {
        let len = self.u64(what)?;
        let bytes = self.take(len, what)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}
