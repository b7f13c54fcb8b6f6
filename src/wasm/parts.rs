//! What a caller loads: opened, and its progress told.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use js_sys::{Function, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AbortSignal, Blob};

use super::call;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Phase, Progress};
use crate::recovery::Origin;
use crate::request::{CacheChoice, LoadOptions};
use crate::source::{BlobSource, HttpOptions, HttpSource, Keep, LocalFuture, Source, sleep};

/// Progress is told at least this often.
const TICK: Duration = Duration::from_millis(200);

/// How a model's files are opened.
pub(super) struct Openings<'a> {
    pub signal: &'a AbortSignal,
    pub options: &'a LoadOptions,
    /// Whether what is fetched may be kept.
    pub writes: bool,
    pub meter: &'a Meter,
}

impl Openings<'_> {
    /// Opens URLs, blobs or byte arrays, one per file. On the heap, as its callers would each have a copy of the code.
    ///
    /// # Errors
    /// `invalid_request`, and what [`HttpSource::open`] fails with.
    pub fn open(&self, parts: Vec<JsValue>) -> LocalFuture<'_, Result<Vec<Box<dyn Source>>>> {
        Box::pin(self.open_each(parts))
    }

    async fn open_each(&self, parts: Vec<JsValue>) -> Result<Vec<Box<dyn Source>>> {
        let keep = match self.options.cache {
            Some(CacheChoice::None) => Keep::Nothing,
            _ if self.writes => Keep::Store { evict: self.options.evict == Some(true) },
            _ => Keep::AsItIs,
        };
        let sha256 = self.options.sha256()?.filter(|_| parts.len() == 1);
        let http = HttpOptions {
            signal: self.signal.clone(),
            keep,
            sha256,
            token: self.options.token.clone(),
            hub: self.options.hub.clone(),
            arrived: Rc::clone(&self.meter.arrived),
        };
        let mut sources = Vec::new();
        for part in parts {
            sources.push(open(part, &http).await?);
        }
        Ok(sources)
    }
}

/// Opens the same files again, which nobody aborts or watches. A `Blob`'s bytes lie with the browser: to keep one takes no
/// memory here.
pub(super) fn reopening(parts: Vec<JsValue>, options: LoadOptions) -> Origin {
    Box::new(move || {
        let (parts, options) = (parts.clone(), options.clone());
        Box::pin(async move {
            let signal = AbortController::new().map_err(|_| Error::aborted())?.signal();
            let meter = Meter::new(None);
            Openings { signal: &signal, options: &options, writes: true, meter: &meter }.open(parts).await
        })
    })
}

async fn open(part: JsValue, http: &HttpOptions) -> Result<Box<dyn Source>> {
    if let Some(url) = part.as_string() {
        return Ok(Box::new(HttpSource::open(&url, http.clone()).await?));
    }
    if let Some(blob) = part.dyn_ref::<Blob>() {
        return Ok(Box::new(BlobSource::new(blob.clone())));
    }
    if let Some(bytes) = part.dyn_ref::<Uint8Array>() {
        return Ok(Box::new(BlobSource::of_bytes(bytes)?));
    }
    Err(Error::new(
        ErrorKind::InvalidRequest,
        "a model is a URL, a File, a Blob, an ArrayBuffer or a Uint8Array",
    ))
}

/// Tells progress: what the loader says, or what has arrived if that is more, and again while both are silent.
pub(super) struct Meter {
    on_progress: Option<Function>,
    last: RefCell<Option<Progress>>,
    /// Bytes of the model that are here.
    arrived: Rc<Cell<u64>>,
}

impl Meter {
    /// Tells `on_progress`, if anybody listens.
    pub fn new(on_progress: Option<Function>) -> Self {
        Self { on_progress, last: RefCell::default(), arrived: Rc::default() }
    }

    /// What the loader says. Within a phase numbers only grow.
    pub fn report(&self, mut progress: Progress) {
        if progress.phase == Phase::Download {
            progress.loaded = progress.loaded.max(self.arrived.get()).min(progress.total);
        }
        if let Some(last) = self.last.borrow().filter(|last| last.phase == progress.phase) {
            progress.loaded = progress.loaded.max(last.loaded);
        }
        self.last.replace(Some(progress));
        if let Some(on_progress) = &self.on_progress {
            call(on_progress, &progress);
        }
    }

    /// Does `work`, and tells the last progress again and again meanwhile.
    pub async fn ticking<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut tick = Box::pin(sleep(TICK));
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            while tick.as_mut().poll(context).is_ready() {
                let last = *self.last.borrow();
                // Nothing can be told before the header says how large the model is.
                if let Some(last) = last {
                    self.report(last);
                }
                tick = Box::pin(sleep(TICK));
            }
            Poll::Pending
        })
        .await
    }
}
