//! Several requests for one file at once. Each fetches a run of chunks, from where the one before it broke if it did.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::Poll;

use web_sys::AbortSignal;

use super::connection::{Again, Connection, Failure, Target, Version, changed, lost};
use crate::error::{Error, ErrorKind, Result};
use crate::source::chunks::{CHUNK_BYTES, chunks_of};
use crate::source::claims::{self, CONNECTIONS, Want};
use crate::source::retry::Retries;
use crate::source::spool::Spool;
use crate::source::wait;

/// What the server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    /// Any range.
    Ranges,
    /// The file from its beginning, or from any byte on but without saying how long it is otherwise: one stream.
    Streams,
}

/// A file that is being fetched.
pub(super) struct Transfer {
    pub target: Target,
    pub signal: AbortSignal,
    /// What the answers so far, or the cache, say of the file.
    pub version: RefCell<Version>,
    pub serves: Cell<Serves>,
    pub spool: RefCell<Spool>,
    /// Bytes that a reader waits for.
    pub wanted: RefCell<Range<u64>>,
    /// Whether everything after them is wanted too.
    pub streaming: Cell<bool>,
    /// Runs of chunks that requests are fetching.
    claimed: RefCell<Vec<Range<u64>>>,
    /// Why a request was given up.
    failure: RefCell<Option<Error>>,
    /// Whether the server ever answered.
    answered: Cell<bool>,
    /// Bytes that are here, for progress.
    pub arrived: Rc<Cell<u64>>,
}

impl Transfer {
    /// A file of which `spool` is here.
    pub fn new(
        target: Target,
        signal: AbortSignal,
        version: Version,
        serves: Serves,
        spool: Spool,
        arrived: Rc<Cell<u64>>,
    ) -> Self {
        if let Some(entry) = spool.entry() {
            arrived.set(arrived.get() + entry.chunks().bytes_here());
        }
        Self {
            target,
            signal,
            version: RefCell::new(version),
            serves: Cell::new(serves),
            spool: RefCell::new(spool),
            wanted: RefCell::new(0..0),
            streaming: Cell::new(false),
            claimed: RefCell::default(),
            failure: RefCell::default(),
            answered: Cell::new(false),
            arrived,
        }
    }

    /// Length of the file.
    pub fn len(&self) -> Option<u64> {
        self.version.borrow().len
    }

    /// Whether all bytes of `range` are here.
    pub fn has(&self, range: &Range<u64>) -> bool {
        let spool = self.spool.borrow();
        chunks_of(range).all(|index| spool.has(index))
    }

    /// Why a request was given up, told once.
    pub fn take_failure(&self) -> Option<Error> {
        self.failure.take()
    }

    /// Marks `chunks` as being fetched.
    pub fn claim(&self, chunks: Range<u64>) {
        self.claimed.borrow_mut().push(chunks);
    }

    /// The next chunks to ask for, marked as being fetched.
    pub fn next_claim(&self) -> Option<Range<u64>> {
        let claimed = self.claimed.borrow();
        let most = if self.serves.get() == Serves::Ranges { CONNECTIONS } else { 1 };
        if claimed.len() >= most || self.failure.borrow().is_some() {
            return None;
        }
        let spool = self.spool.borrow();
        let now = chunks_of(&self.wanted.borrow());
        let claim = if self.serves.get() == Serves::Streams {
            // The stream goes on for as long as anything is wanted.
            let missing =
                now.clone().find(|&index| !spool.has(index)).or_else(|| self.first_missing(&spool))?;
            let end = self.len().map_or(u64::MAX, |len| len.div_ceil(CHUNK_BYTES));
            Some(missing..end).filter(|claim| !claim.is_empty())?
        } else {
            let under_way = claimed.iter().map(|claim| claim.end - claim.start).sum();
            let room = if spool.stores() { u64::MAX } else { spool.window.room().saturating_sub(under_way) };
            let rest = claims::rest(self.first_unread(&spool), self.len().unwrap_or(0));
            let want = Want { now, later: self.streaming.get().then_some((rest, room)) };
            claims::next(&want, &claimed, &|index| !spool.has(index))?
        };
        drop(claimed);
        self.claim(claim.clone());
        Some(claim)
    }

    /// Where reading ahead begins: what is stored is kept for good, so that nothing behind the reader is left out.
    fn first_unread(&self, spool: &Spool) -> u64 {
        if spool.stores() { 0 } else { spool.window.position() }
    }

    /// The first missing chunk of what is read ahead.
    fn first_missing(&self, spool: &Spool) -> Option<u64> {
        let mut rest = claims::rest(self.first_unread(spool), self.len()?);
        rest.find(|&index| self.streaming.get() && !spool.has(index))
    }

    /// Whether a stream should go on.
    fn wants(&self, run: &Run) -> bool {
        let spool = self.spool.borrow();
        let wanted = chunks_of(&self.wanted.borrow());
        run.next < wanted.end
            || (self.streaming.get() && (spool.stores() || spool.window.room() > 0))
            || self.is_behind(run)
    }

    /// Asks for the bytes from `offset` on, and compares the version with the one that is known.
    pub async fn connect(&self, offset: u64, end: u64) -> Result<Connection, Failure> {
        let end = (self.serves.get() == Serves::Ranges).then_some(end);
        let (connection, now) = Connection::open(&self.target, offset, end, &self.signal).await?;
        self.answered.set(true);
        let mut known = self.version.borrow_mut();
        if let Some(difference) = known.difference(&now) {
            return Err(changed(&self.target.url, &difference).into());
        }
        known.learn(now);
        if !connection.ranged {
            self.serves.set(Serves::Streams);
        }
        Ok(connection)
    }
}

/// Waits before a failed request is repeated. `answered`: whether the server ever answered.
///
/// # Errors
/// The failure, if it is not to be; `aborted`.
pub(super) async fn before_retry(
    retries: &mut Retries,
    answered: bool,
    failure: Failure,
    signal: &AbortSignal,
) -> Result<()> {
    let Failure { error, again } = failure;
    let answered = answered || error.kind() != ErrorKind::Network;
    let random = js_sys::Math::random();
    let wait = match again {
        Again::Never => None,
        Again::Soon => retries.next(None, answered, random),
        Again::After(asked) => retries.next(Some(asked), answered, random),
    };
    match wait {
        Some(time) => wait::pause(time, signal).await,
        None => Err(error),
    }
}

/// A run of chunks on its way.
struct Run {
    /// The next chunk to store.
    next: u64,
    end: u64,
    /// The beginning of that chunk.
    begun: Vec<u8>,
}

impl Run {
    fn position(&self) -> u64 {
        self.next * CHUNK_BYTES + self.begun.len() as u64
    }
}

/// Fetches `chunks`, which the transfer has marked as being fetched, beginning with what `connection` brings.
pub(super) async fn fetch(transfer: Rc<Transfer>, chunks: Range<u64>, mut connection: Option<Connection>) {
    let mut run = Run { next: chunks.start, end: chunks.end, begun: Vec::new() };
    let mut retries = Retries::default();
    let mut reached = run.position();
    while let Err(failure) = transfer.go_on(&mut run, connection.take()).await {
        if run.position() > reached {
            retries.progress();
            reached = run.position();
        }
        let again = before_retry(&mut retries, transfer.answered.get(), failure, &transfer.signal).await;
        if let Err(error) = again {
            transfer.failure.replace(Some(error));
            break;
        }
    }
    transfer.claimed.borrow_mut().retain(|claim| *claim != chunks);
}

impl Transfer {
    /// Receives until the run is complete or the connection breaks; what arrived stays in `run`.
    async fn go_on(&self, run: &mut Run, kept: Option<Connection>) -> Result<(), Failure> {
        let mut connection = match kept.filter(|kept| kept.position <= run.position()) {
            Some(kept) => kept,
            None => self.connect(run.position(), self.end_of(run)).await?,
        };
        while run.position() < self.end_of(run) {
            if self.serves.get() == Serves::Streams {
                // A stream is read no further than somebody wants it: that is all the back-pressure there is. Readers
                // poll all requests, so that nobody needs to be woken.
                poll_fn(|_| if self.wants(run) { Poll::Ready(()) } else { Poll::Pending }).await;
                if self.is_behind(run) {
                    return Ok(());
                }
            }
            let start = connection.position;
            match connection.receive().await? {
                Some(bytes) => self.take(run, start, &bytes),
                None => match self.len() {
                    Some(all) if connection.position < self.end_of(run) => {
                        let reason = format!("the connection ended at byte {} of {all}", connection.position);
                        return Err(lost(&self.target.url, &reason));
                    }
                    Some(_) => {}
                    None => {
                        // A stream of unknown length has come to its end.
                        self.version.borrow_mut().len = Some(connection.position);
                        self.take(run, connection.position, &[]);
                    }
                },
            }
        }
        Ok(())
    }

    fn end_of(&self, run: &Run) -> u64 {
        run.end.saturating_mul(CHUNK_BYTES).min(self.len().unwrap_or(u64::MAX))
    }

    /// Whether a reader waits for something that a stream has passed.
    fn is_behind(&self, run: &Run) -> bool {
        let spool = self.spool.borrow();
        let mut wanted = chunks_of(&self.wanted.borrow());
        wanted.find(|&index| !spool.has(index)).is_some_and(|missing| missing < run.next)
    }

    /// Adds `bytes`, which lie at `start`, to the run, and stores the chunks that are complete by that.
    fn take(&self, run: &mut Run, start: u64, bytes: &[u8]) {
        let known = run.position().saturating_sub(start);
        let fresh = usize::try_from(known).ok().and_then(|known| bytes.get(known..)).unwrap_or_default();
        let wanted = usize::try_from(self.end_of(run) - run.position()).unwrap_or(usize::MAX);
        run.begun.extend_from_slice(fresh.get(..wanted).unwrap_or(fresh));
        let is_end = self.len() == Some(run.position());
        let complete = match run.begun.len() as u64 {
            all if is_end => all,
            all => all - all % CHUNK_BYTES,
        };
        let Ok(complete) = usize::try_from(complete) else { return };
        if complete > 0 {
            let rest = run.begun.split_off(complete);
            let new = self.spool.borrow_mut().put(run.next, &run.begun, &chunks_of(&self.wanted.borrow()));
            self.arrived.set(self.arrived.get() + new);
            run.next += (complete as u64).div_ceil(CHUNK_BYTES);
            run.begun = rest;
        }
    }
}
