//! A file on a server, fetched with range requests and read as one stream for as long as reads go forward.
//!
//! Back-pressure is the stream's own: nothing is fetched that nobody reads. Where the server knows no
//! ranges the same stream serves, from the file's beginning.

use std::cell::{Cell, RefCell};

use js_sys::{Reflect, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, ReadableStreamDefaultReader, Request, RequestInit, Response, WorkerGlobalScope};

use super::{LocalFuture, Source};
use crate::error::{Error, ErrorKind, Result, bail};

/// Gaps up to this many bytes are read and dropped: cheaper than a new request.
const SKIP_LIMIT: u64 = 1 << 20;

/// A request that was made, whatever became of it.
#[derive(Debug, Clone, Serialize)]
pub struct RequestRecord {
    /// Where to.
    pub url: String,
    /// Bytes of the body that have arrived.
    pub bytes: u64,
    /// When, in milliseconds since 1970.
    pub at: f64,
}

thread_local! {
    static REQUESTS: RefCell<Vec<RequestRecord>> = const { RefCell::new(Vec::new()) };
}

/// Every request made so far.
pub fn requests() -> Vec<RequestRecord> {
    REQUESTS.with_borrow(Clone::clone)
}

/// A file on a server.
pub struct HttpSource {
    url: String,
    signal: AbortSignal,
    len: Cell<Option<u64>>,
    stream: RefCell<Option<Stream>>,
}

/// A response's body, from `position` on.
struct Stream {
    reader: ReadableStreamDefaultReader,
    position: u64,
    /// Bytes that arrived and were not asked for yet.
    ahead: Vec<u8>,
    record: usize,
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
        let source = Self { url, signal, len: Cell::new(None), stream: RefCell::new(None) };
        let stream = source.request(0).await?;
        source.stream.replace(Some(stream));
        Ok(source)
    }

    async fn request(&self, offset: u64) -> Result<Stream> {
        let record = self.record();
        let response = self.fetch(offset).await?;
        let status = response.status();
        if status == 416 && offset == 0 {
            // Not even the first byte exists.
            let detail = format!("{} is empty: 0 bytes", self.url);
            return Err(Error::new(ErrorKind::TruncatedFile, detail).with_hint("Fetch or upload the file again."));
        }
        if !response.ok() {
            let hint = match status {
                401 | 403 => "The server does not let this page read the file: it may need a token, or the model's licence be accepted.",
                404 | 410 => "Check the URL.",
                429 => "The server asks to wait: try again later.",
                _ => "Try again later.",
            };
            return Err(Error::new(ErrorKind::HttpStatus, format!("{} answered {status} {}", self.url, response.status_text()))
                .with_hint(hint));
        }
        let header = |name: &str| response.headers().get(name).ok().flatten();
        let position = if status == 206 { offset } else { 0 };
        // A compressed body is longer than its Content-Length.
        let plain = header("content-encoding").is_none();
        let body_len = header("content-length").and_then(|len| len.parse::<u64>().ok()).filter(|_| plain);
        // Other origins seldom let a page read Content-Range; all of them let it read Content-Length.
        let whole = header("content-range").and_then(|range| range.rsplit('/').next()?.parse().ok());
        let len = whole.or(body_len.map(|len| position + len));
        if let (Some(before), Some(now)) = (self.len.get(), len)
            && before != now
        {
            bail!(CorruptFile, "{} changed while it was loaded: {before} bytes became {now}", self.url);
        }
        self.len.set(len.or(self.len.get()));
        let Some(body) = response.body() else { bail!(Network, "{} answered without a body", self.url) };
        let Ok(reader) = body.get_reader().dyn_into() else { bail!(Network, "{} cannot be read as a stream", self.url) };
        Ok(Stream { reader, position, ahead: Vec::new(), record })
    }

    async fn fetch(&self, offset: u64) -> Result<Response> {
        let request = || -> std::result::Result<Request, JsValue> {
            let headers = Headers::new()?;
            headers.set("Range", &format!("bytes={offset}-"))?;
            let init = RequestInit::new();
            init.set_headers(&headers);
            init.set_signal(Some(&self.signal));
            Request::new_with_str_and_init(&self.url, &init)
        };
        let request = request().map_err(|_| Error::new(ErrorKind::InvalidRequest, format!("{:?} is no URL", self.url)))?;
        let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
        let response = JsFuture::from(scope.fetch_with_request(&request)).await.map_err(|error| self.broken(&error))?;
        Ok(response.unchecked_into())
    }

    fn record(&self) -> usize {
        REQUESTS.with_borrow_mut(|records| {
            records.push(RequestRecord { url: self.url.clone(), bytes: 0, at: js_sys::Date::now() });
            records.len() - 1
        })
    }

    /// What a failed fetch or read means.
    fn broken(&self, error: &JsValue) -> Error {
        if self.signal.aborted() {
            return Error::aborted();
        }
        let reason = Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string()).unwrap_or_default();
        Error::new(ErrorKind::Network, format!("{} could not be fetched: {reason}", self.url)).with_hint(
            "The network is down, the server cannot be reached, or it does not allow this page to read the file (CORS): a page cannot tell which.",
        )
    }

    async fn read_range(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let end = self.len.get().map_or(offset + len, |all| all.min(offset + len));
        let kept = self.stream.take();
        let mut stream = match kept {
            Some(stream) if (stream.position..=stream.position + SKIP_LIMIT).contains(&offset) => stream,
            _ => self.request(offset).await?,
        };
        let mut bytes = Vec::new();
        while stream.position < end {
            if stream.ahead.is_empty() && !self.receive(&mut stream).await? {
                break;
            }
            let wanted = if stream.position < offset { offset - stream.position } else { end - stream.position };
            let taken = usize::try_from(wanted).unwrap_or(usize::MAX).min(stream.ahead.len());
            let rest = stream.ahead.split_off(taken);
            let piece = std::mem::replace(&mut stream.ahead, rest);
            if stream.position >= offset {
                if bytes.is_empty() {
                    bytes.reserve_exact(usize::try_from(end - offset).unwrap_or(0).min(64 << 20));
                }
                bytes.extend_from_slice(&piece);
            }
            stream.position += taken as u64;
        }
        self.stream.replace(Some(stream));
        Ok(bytes)
    }

    /// Waits for the next piece of the body; false at its end.
    async fn receive(&self, stream: &mut Stream) -> Result<bool> {
        let result = JsFuture::from(stream.reader.read()).await.map_err(|error| self.broken(&error))?;
        let done = Reflect::get(&result, &"done".into()).is_ok_and(|done| done.is_truthy());
        if done {
            return Ok(false);
        }
        let value = Reflect::get(&result, &"value".into()).unwrap_or_default();
        stream.ahead = value.dyn_into::<Uint8Array>().map(|piece| piece.to_vec()).unwrap_or_default();
        REQUESTS.with_borrow_mut(|records| {
            if let Some(record) = records.get_mut(stream.record) {
                record.bytes += stream.ahead.len() as u64;
            }
        });
        Ok(true)
    }
}

impl Source for HttpSource {
    fn len(&self) -> Option<u64> {
        self.len.get()
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
