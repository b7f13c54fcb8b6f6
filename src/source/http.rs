//! A file on a server, fetched with range requests and read as one stream for as long as reads go forward.
//!
//! Back-pressure is the stream's own: nothing is fetched that nobody reads. A stream that breaks is taken up at the
//! byte where it broke. Where the server knows no ranges the same stream serves, from the file's beginning.

mod connection;
mod log;
mod wait;

use std::cell::{Cell, RefCell};

use web_sys::AbortSignal;

use self::connection::{Again, Connection, Failure, Version, changed, lost};
pub use self::log::{RequestRecord, requests};
use super::retry::Retries;
use super::{LocalFuture, Source};
use crate::error::{ErrorKind, Result, bail};

/// Gaps up to this many bytes are read and dropped: cheaper than a new request.
const SKIP_LIMIT: u64 = 1 << 20;

/// A file on a server.
pub struct HttpSource {
    url: String,
    signal: AbortSignal,
    /// What the answers so far say of the file; `None` before the first.
    version: RefCell<Option<Version>>,
    connection: RefCell<Option<Connection>>,
    /// The farthest byte that ever arrived.
    reached: Cell<u64>,
}

impl HttpSource {
    /// Opens `url`: makes the first request, which tells the length.
    ///
    /// # Errors
    /// `invalid_request`, `network`, `http_status`, `aborted`.
    pub async fn open(url: &str, signal: AbortSignal) -> Result<Self> {
        let url = match url.strip_prefix("hf:") {
            Some(name) => hub_url(name)?,
            None => url.to_string(),
        };
        let source = Self {
            url,
            signal,
            version: RefCell::default(),
            connection: RefCell::default(),
            reached: Cell::new(0),
        };
        source.read_range(0, 0).await?;
        Ok(source)
    }

    /// Reads, and tries again what may succeed later, from the byte that was reached.
    async fn read_range(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if self.len().is_some_and(|all| offset >= all) {
            return Ok(bytes);
        }
        let mut retries = Retries::default();
        let mut reached = self.reached.get();
        while let Err(Failure { error, again }) = self.read_on(offset, len, &mut bytes).await {
            if self.reached.get() > reached {
                retries.progress();
                reached = self.reached.get();
            }
            let answered = self.version.borrow().is_some() || error.kind() != ErrorKind::Network;
            let random = js_sys::Math::random();
            let wait = match again {
                Again::Never => None,
                Again::Soon => retries.next(None, answered, random),
                Again::After(asked) => retries.next(Some(asked), answered, random),
            };
            let Some(wait) = wait else { return Err(error) };
            wait::pause(wait, &self.signal).await?;
        }
        Ok(bytes)
    }

    /// Appends to `bytes`, which lie at `offset`, until there are `len` or the file ends. After a failure `bytes`
    /// holds what arrived, and the broken connection is gone.
    async fn read_on(&self, offset: u64, len: u64, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        let at = offset + bytes.len() as u64;
        let kept = self.connection.take();
        let mut connection = match kept {
            Some(kept) if (kept.position..=kept.position + SKIP_LIMIT).contains(&at) => kept,
            _ => self.connect(at).await?,
        };
        let file_len = self.len();
        let end = file_len.map_or(offset + len, |all| all.min(offset + len));
        while connection.position < end {
            if connection.ahead.is_empty() && !connection.receive().await? {
                match file_len {
                    Some(all) => {
                        let reason = format!("the connection ended at byte {} of {all}", connection.position);
                        return Err(lost(&self.url, &reason));
                    }
                    None => break,
                }
            }
            take(&mut connection, offset, end, bytes);
            self.reached.set(self.reached.get().max(connection.position));
        }
        self.connection.replace(Some(connection));
        Ok(())
    }

    async fn connect(&self, offset: u64) -> Result<Connection, Failure> {
        let (connection, now) = Connection::open(&self.url, offset, &self.signal).await?;
        let mut known = self.version.borrow_mut();
        let before = known.get_or_insert_default();
        if let Some(difference) = before.difference(&now) {
            return Err(changed(&self.url, &difference).into());
        }
        before.learn(now);
        Ok(connection)
    }
}

/// Moves what has arrived on to `bytes`, up to byte `end` of the file; what lies before the next wanted byte is dropped.
fn take(connection: &mut Connection, offset: u64, end: u64, bytes: &mut Vec<u8>) {
    let next = offset + bytes.len() as u64;
    let skipping = connection.position < next;
    let wanted = if skipping { next } else { end } - connection.position;
    let taken = usize::try_from(wanted).unwrap_or(usize::MAX).min(connection.ahead.len());
    let rest = connection.ahead.split_off(taken);
    let piece = std::mem::replace(&mut connection.ahead, rest);
    if !skipping {
        if bytes.is_empty() {
            bytes.reserve_exact(usize::try_from(end - offset).unwrap_or(0).min(64 << 20));
        }
        bytes.extend_from_slice(&piece);
    }
    connection.position += taken as u64;
}

impl Source for HttpSource {
    fn len(&self) -> Option<u64> {
        self.version.borrow().as_ref()?.len
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
        Box::pin(self.read_range(offset, len))
    }
}

/// `owner/repo/path[@revision]` on the Hugging Face hub.
fn hub_url(name: &str) -> Result<String> {
    let (path, revision) = name.split_once('@').unwrap_or((name, "main"));
    let parts: Vec<&str> = path.splitn(3, '/').collect();
    match parts.as_slice() {
        [owner, repo, file] if !owner.is_empty() && !repo.is_empty() && !file.is_empty() => {
            Ok(format!("https://huggingface.co/{owner}/{repo}/resolve/{revision}/{file}"))
        }
        _ => bail!(InvalidRequest, "{name:?} is no hub name: hf:owner/repo/file.gguf[@revision] is expected"),
    }
}
