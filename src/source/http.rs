//! A file on a server, fetched with several range requests at once, or as one stream where the server knows no ranges.
//!
//! What arrives is stored in the cache as it comes, in whatever order, so that a tab that is closed loses next to
//! nothing; the reader takes it from there, in file order. Without a cache it waits in memory, and no more is asked for
//! than fits there.

mod body;
mod connection;
mod hub;
mod log;
mod transfer;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::Poll;

use web_sys::AbortSignal;

use self::connection::{Connection, Target, Version, current_version};
pub use self::hub::url as hub_url;
pub use self::log::{RequestRecord, requests};
use self::transfer::{Serves, Transfer, before_retry, fetch};
use super::cache::{Cache, Found, Lock, download_lock};
use super::chunks::{CHUNK_BYTES, chunks_of};
use super::retry::Retries;
use super::spool::{self, Spool};
use super::{LocalFuture, Source};
use crate::error::{Error, ErrorKind, Result};

/// What is asked for first, in chunks: most headers begin with no more.
const FIRST: Range<u64> = 0..16;

/// How a file is fetched.
#[derive(Clone)]
pub struct HttpOptions {
    /// Ends everything.
    pub signal: AbortSignal,
    /// Where the file may be kept.
    pub keep: Keep,
    /// The file's SHA-256 in lower-case hexadecimal, if the caller knows it.
    pub sha256: Option<String>,
    /// A token for the hub.
    pub token: Option<String>,
    /// The hub's URL, if it is not huggingface.co.
    pub hub: Option<String>,
    /// Counts bytes that are here.
    pub arrived: Rc<Cell<u64>>,
}

/// Whether a file is kept in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is neither looked for there nor kept.
    Nothing,
    /// It is taken from there, if all of it is there, but nothing is written.
    AsItIs,
    /// It is kept; `evict` says whether what was not used for longest may be deleted to make room.
    Store {
        /// Whether others may go.
        evict: bool,
    },
}

/// A file on a server.
pub struct HttpSource {
    transfer: Rc<Transfer>,
    /// The requests under way. They run only while something is read, and end when this is dropped.
    requests: RefCell<Vec<LocalFuture<'static, ()>>>,
    /// The cache, if the file is to be kept there, and the right to download it.
    cache: RefCell<Option<(Cache, Option<Lock>)>>,
    is_cached: bool,
    /// Bytes that loading would find in the cache, where this only looks.
    left_there: u64,
    expected: Option<String>,
    notes: RefCell<Vec<String>>,
}

impl HttpSource {
    /// Opens `url`: finds it in the cache, or makes the first request, which tells the length.
    ///
    /// # Errors
    /// `invalid_request`, `network`, `http_status`, `hash_mismatch`, `aborted`.
    pub async fn open(url: &str, mut options: HttpOptions) -> Result<Self> {
        let target = match url.strip_prefix("hf:") {
            Some(name) => {
                let file = hub::find(name, &options).await?;
                options.sha256 = options.sha256.or(file.sha256);
                file.target
            }
            None => Target { url: url.to_string(), authorization: None },
        };
        if options.keep == Keep::Nothing || !target.is_remote() {
            return Self::download(target, &options, None).await;
        }
        let cache = match Cache::open().await {
            Ok(cache) => cache,
            Err(words) => {
                let source = Self::download(target, &options, None).await?;
                source.note(&words);
                return Ok(source);
            }
        };
        if let Some(source) = Self::from_cache(&cache, &target, &options).await? {
            return Ok(source);
        }
        let Keep::Store { .. } = options.keep else {
            let mut source = Self::download(target, &options, None).await?;
            source.left_there = source.part_in(&cache, &options).await;
            return Ok(source);
        };
        // Another tab may be downloading it: then it will be in the cache when our turn comes.
        let lock = download_lock(&target.url, &options.signal).await?;
        if let Some(source) = Self::from_cache(&cache, &target, &options).await? {
            return Ok(source);
        }
        Self::download(target, &options, Some((cache, lock))).await
    }

    /// The file, if all of it is in the cache and still what the caller means.
    async fn from_cache(cache: &Cache, target: &Target, options: &HttpOptions) -> Result<Option<Self>> {
        let expected = options.sha256.as_deref();
        let Found::Whole(mut entry, lock) = cache.whole(&target.url, expected).await else { return Ok(None) };
        let origin = entry.record.origin(&target.url).cloned();
        let version = Version::of(origin.as_ref(), entry.record.len);
        if expected.is_none() || entry.record.sha256.as_deref() != expected {
            let now = current_version(target, &options.signal).await?;
            if now.is_some_and(|now| version.difference(&now).is_some()) {
                return Ok(None);
            }
        }
        if entry.is_own() && matches!(options.keep, Keep::Store { .. }) {
            entry.record.used = js_sys::Date::now();
            // If it cannot be written, the file merely looks older than it is.
            let _ = entry.save();
        }
        let cache = Cache::open().await.ok().map(|cache| (cache, None));
        let spool = Spool::in_entry(entry, lock);
        Ok(Some(Self::over(target.clone(), options, version, Serves::Ranges, spool, cache)))
    }

    fn over(
        target: Target,
        options: &HttpOptions,
        version: Version,
        serves: Serves,
        spool: Spool,
        cache: Option<(Cache, Option<Lock>)>,
    ) -> Self {
        let is_cached = spool.entry().is_some_and(|entry| entry.record.sha256.is_some());
        let (signal, arrived) = (options.signal.clone(), Rc::clone(&options.arrived));
        Self {
            transfer: Rc::new(Transfer::new(target, signal, version, serves, spool, arrived)),
            requests: RefCell::default(),
            cache: RefCell::new(cache),
            is_cached,
            left_there: 0,
            expected: options.sha256.clone(),
            notes: RefCell::default(),
        }
    }

    /// Begins to fetch what of the file is not in the cache.
    async fn download(target: Target, options: &HttpOptions, cache: Option<(Cache, Lock)>) -> Result<Self> {
        let part = match &cache {
            Some((cache, _)) => cache.part(&target.url).await,
            None => Found::Nothing,
        };
        let first = match &part {
            Found::Part(entry, _) => {
                match (0..entry.chunks().count()).find(|&index| !entry.chunks().has(index)) {
                    Some(missing) => missing..missing + FIRST.end,
                    // Only the commit is missing: any byte tells whether the file is still the same.
                    None => 0..1,
                }
            }
            _ => FIRST,
        };
        let (connection, version) = first_contact(&target, &first, &options.signal).await?;
        let spool = match (part, &cache, version.len, options.keep) {
            (Found::Part(entry, lock), ..) if goes_on(&entry.record, &target.url, &version, options) => {
                Spool::in_entry(entry, Some(lock))
            }
            (old, Some((cache, _)), Some(len), Keep::Store { evict }) => {
                drop(old);
                match cache.create(version.origin(&target.url), len, evict).await {
                    Ok((entry, lock)) => Spool::in_entry(entry, Some(lock)),
                    Err(words) => Spool::in_memory(Some(words)),
                }
            }
            (_, Some(_), None, _) => {
                Spool::in_memory(Some("the server does not say how long the file is".into()))
            }
            _ => Spool::in_memory(None),
        };
        let known_len = version.len;
        let serves = if connection.bounded { Serves::Ranges } else { Serves::Streams };
        let cache = cache.map(|(cache, lock)| (cache, Some(lock)));
        let source = Self::over(target, options, version, serves, spool, cache);
        source.begin(connection, first, known_len);
        Ok(source)
    }

    /// Goes on with the first answer, which `first` was asked of, if it brings anything new.
    fn begin(&self, connection: Connection, first: Range<u64>, len: Option<u64>) {
        let count = chunks_of(&(0..len.unwrap_or(u64::MAX))).end;
        let start = connection.position / CHUNK_BYTES;
        let end = if connection.bounded { first.end.min(count) } else { count };
        let end = {
            let spool = self.transfer.spool.borrow();
            let known = (start..end).find(|&index| spool.has(index)).filter(|_| connection.bounded);
            known.unwrap_or(end)
        };
        if start < end {
            self.transfer.claim(start..end);
            let request = fetch(Rc::clone(&self.transfer), start..end, Some(connection));
            self.requests.borrow_mut().push(Box::pin(request));
        }
    }

    /// Bytes in `cache` that loading would go on with.
    async fn part_in(&self, cache: &Cache, options: &HttpOptions) -> u64 {
        let (url, parts) = (&self.transfer.target.url, cache.parts(&self.transfer.target.url).await);
        let version = self.transfer.version.borrow();
        let usable = parts.iter().find(|(record, _)| goes_on(record, url, &version, options));
        usable.map_or(0, |&(_, stored)| stored)
    }

    fn note(&self, words: &str) {
        self.notes.borrow_mut().push(format!("the model is not kept for next time: {words}"));
    }

    async fn read_range(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        loop {
            let end =
                self.len().map_or(offset.saturating_add(len), |all| all.min(offset.saturating_add(len)));
            if offset >= end {
                return Ok(Vec::new());
            }
            let range = offset..end;
            self.transfer.wanted.replace(range.clone());
            self.drive(&range).await?;
            if self.len().is_some_and(|all| all < end) {
                continue; // a stream whose length was not known has come to its end
            }
            if let Some(bytes) = spool::read(&self.transfer.spool, &range).await {
                let streaming = self.transfer.streaming.get();
                self.transfer.spool.borrow_mut().window.passed(&range, streaming);
                return Ok(bytes);
            }
        }
    }

    /// Lets all requests run until the bytes of `range` are here.
    async fn drive(&self, range: &Range<u64>) -> Result<()> {
        poll_fn(|context| {
            let mut requests = self.requests.borrow_mut();
            loop {
                while let Some(claim) = self.transfer.next_claim() {
                    requests.push(Box::pin(fetch(Rc::clone(&self.transfer), claim, None)));
                }
                let before = requests.len();
                requests.retain_mut(|request| request.as_mut().poll(context).is_pending());
                if requests.len() == before {
                    break;
                }
            }
            let ended = self.len().is_some_and(|all| all < range.end);
            if self.transfer.has(range) || ended {
                return Poll::Ready(Ok(()));
            }
            match self.transfer.take_failure() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Makes what is stored the whole file with this hash.
    async fn keep(&self, sha256: &str) -> Result<()> {
        let entry = self.transfer.spool.borrow_mut().take_entry();
        let cache = self.cache.borrow_mut().take();
        let (Some((entry, _lock)), Some((cache, _download))) = (entry, cache) else { return Ok(()) };
        if !entry.is_own() || !entry.chunks().is_whole() {
            return Ok(());
        }
        if let Some(known) = entry.record.sha256.clone().filter(|known| known != sha256) {
            entry.remove().await;
            let detail = format!(
                "{} was repaired in the cache, and has the SHA-256 {sha256} now; it was {known}",
                self.transfer.target.url
            );
            return Err(Error::new(ErrorKind::HashMismatch, detail)
                .with_hint("The server sends another file by now: load the model again."));
        }
        match cache.commit(entry, sha256).await {
            Ok((_, Some(before))) => self.notes.borrow_mut().push(format!(
                "{} has changed since it was last loaded: its SHA-256 was {before} and is {sha256}",
                self.transfer.target.url
            )),
            Ok(_) => {}
            Err(words) => self.note(&words),
        }
        Ok(())
    }
}

/// The first answer. A server that answers with a range but does not let the page read of how much is asked again,
/// for everything from there on.
async fn first_contact(
    target: &Target,
    chunks: &Range<u64>,
    signal: &AbortSignal,
) -> Result<(Connection, Version)> {
    let mut retries = Retries::default();
    let (start, mut end) = (chunks.start * CHUNK_BYTES, Some(chunks.end * CHUNK_BYTES));
    loop {
        match Connection::open(target, start, end, signal).await {
            Ok((connection, version)) if connection.ranged && version.len.is_none() && end.is_some() => {
                end = None
            }
            Ok(answer) => return Ok(answer),
            Err(failure) => before_retry(&mut retries, false, failure, signal).await?,
        }
    }
}

/// Whether what is stored in part is the beginning of the file that the server has now.
fn goes_on(record: &super::record::Record, url: &str, now: &Version, options: &HttpOptions) -> bool {
    let before = Version::of(record.origin(url), record.len);
    let told = before.is_told() && now.is_told();
    before.difference(now).is_none() && (told || options.sha256.is_some())
}

impl Source for HttpSource {
    fn len(&self) -> Option<u64> {
        self.transfer.len()
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
        Box::pin(self.read_range(offset, len))
    }

    fn read_ahead(&self) {
        self.transfer.streaming.set(true);
    }

    fn is_cached(&self) -> bool {
        self.is_cached
    }

    fn bytes_here(&self) -> u64 {
        let spool = self.transfer.spool.borrow();
        spool.entry().map_or(self.left_there, |entry| entry.chunks().bytes_here())
    }

    fn expected_sha256(&self) -> Option<String> {
        self.expected.clone()
    }

    fn known_sha256(&self) -> Option<String> {
        let spool = self.transfer.spool.borrow();
        spool.entry().filter(|_| !spool.is_damaged()).and_then(|entry| entry.record.sha256.clone())
    }

    fn wants_hash(&self) -> bool {
        let spool = self.transfer.spool.borrow();
        spool.entry().is_some_and(|entry| entry.record.sha256.is_none() || spool.is_damaged())
    }

    fn commit<'a>(&'a self, sha256: &'a str) -> LocalFuture<'a, Result<()>> {
        Box::pin(self.keep(sha256))
    }

    fn refuse(&self) -> LocalFuture<'_, ()> {
        let entry = self.transfer.spool.borrow_mut().take_entry();
        Box::pin(async move {
            if let Some((entry, _lock)) = entry {
                entry.remove().await;
            }
        })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.borrow().clone();
        if let Some(words) = self.transfer.spool.borrow().stopped() {
            notes.push(format!("the model is not kept for next time: {words}"));
        }
        notes
    }
}
