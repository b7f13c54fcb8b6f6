//! One request and its answer, up to where it breaks. Nothing is tried twice here.

use std::time::Duration;

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{
    AbortController, AbortSignal, Headers, ReadableStreamDefaultReader, Request, RequestInit, Response,
};

use super::log;
use super::wait::{Waited, scope, within};
use crate::error::{Error, ErrorKind};
use crate::source::retry;

/// A connection that brings nothing for so long is dead, whatever the operating system thinks.
const STALL: Duration = Duration::from_secs(20);

/// Why a request or its answer failed, and whether the same may succeed later.
pub(super) struct Failure {
    pub error: Error,
    pub again: Again,
}

/// Whether to try again.
pub(super) enum Again {
    Never,
    Soon,
    /// Not before the server's own time is over.
    After(Duration),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, again: Again::Never }
    }
}

/// What tells one version of a file from another, as far as the server and the browser say.
///
/// Compared after the fact instead of sent as `If-Range`: the answer tells the same, and that header would cost every
/// cross-origin download a preflight, which many file servers refuse.
#[derive(Default, Clone)]
pub(super) struct Version {
    pub len: Option<u64>,
    etag: Option<String>,
    modified: Option<String>,
}

impl Version {
    /// What in `now` contradicts this version.
    pub fn difference(&self, now: &Self) -> Option<String> {
        fn differ<T: PartialEq + std::fmt::Display>(
            what: &str,
            before: Option<&T>,
            now: Option<&T>,
        ) -> Option<String> {
            let (before, now) = (before?, now?);
            (before != now).then(|| format!("its {what} was {before} and is {now}"))
        }
        differ("length", self.len.as_ref(), now.len.as_ref())
            .or_else(|| differ("ETag", self.etag.as_ref(), now.etag.as_ref()))
            .or_else(|| differ("Last-Modified", self.modified.as_ref(), now.modified.as_ref()))
    }

    /// Adds what only `now` knows.
    pub fn learn(&mut self, now: Self) {
        self.len = self.len.or(now.len);
        self.etag = self.etag.take().or(now.etag);
        self.modified = self.modified.take().or(now.modified);
    }
}

/// The body of an answer, from `position` on. Dropping it ends the request.
pub(super) struct Connection {
    url: String,
    controller: AbortController,
    signal: AbortSignal,
    reader: ReadableStreamDefaultReader,
    record: usize,
    /// Where in the file the next byte lies.
    pub position: u64,
    /// Bytes that arrived and were not asked for yet.
    pub ahead: Vec<u8>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.controller.abort();
    }
}

impl Connection {
    /// Asks for `url` from byte `offset` on. Servers that know no ranges answer from the beginning.
    pub async fn open(url: &str, offset: u64, signal: &AbortSignal) -> Result<(Self, Version), Failure> {
        let record = log::start(url);
        let no_url = |_| Error::new(ErrorKind::InvalidRequest, format!("{url:?} is no URL"));
        let controller = AbortController::new().map_err(no_url)?;
        let request = request(url, offset, &controller.signal()).map_err(no_url)?;
        let answer = within(&scope().fetch_with_request(&request), signal, STALL).await;
        if !matches!(answer, Waited::Settled(_)) {
            controller.abort();
        }
        let response: Response = settled(url, answer)?.unchecked_into();
        if !response.ok() {
            controller.abort();
            return Err(refusal(url, offset, &response));
        }
        let header = |name: &str| response.headers().get(name).ok().flatten();
        let position = if response.status() == 206 { offset } else { 0 };
        let range = header("content-range");
        if let Some(start) = range.as_deref().and_then(range_start).filter(|&start| start != position) {
            let detail =
                format!("{url} answered with bytes from {start} on, asked for those from {position} on");
            return Err(Error::new(ErrorKind::CorruptFile, detail).into());
        }
        // A compressed body is longer than its Content-Length.
        let plain = header("content-encoding").is_none();
        let body_len = header("content-length").and_then(|len| len.parse::<u64>().ok()).filter(|_| plain);
        // Other origins seldom let a page read Content-Range; all of them let it read Content-Length.
        let whole = range.as_deref().and_then(|range| range.rsplit('/').next()?.parse().ok());
        let etag = header("etag").map(|etag| etag.trim_start_matches("W/").to_string());
        let version = Version {
            len: whole.or(body_len.map(|len| position + len)),
            etag,
            modified: header("last-modified"),
        };
        let reader = response.body().and_then(|body| body.get_reader().dyn_into().ok());
        let Some(reader) = reader else {
            return Err(Error::new(ErrorKind::Network, format!("{url} answered without a body")).into());
        };
        let connection = Self {
            url: url.to_string(),
            controller,
            signal: signal.clone(),
            reader,
            record,
            position,
            ahead: Vec::new(),
        };
        Ok((connection, version))
    }

    /// Waits for the next piece of the body; false at its end.
    pub async fn receive(&mut self) -> Result<bool, Failure> {
        let piece = settled(&self.url, within(&self.reader.read(), &self.signal, STALL).await)?;
        if Reflect::get(&piece, &"done".into()).is_ok_and(|done| done.is_truthy()) {
            return Ok(false);
        }
        let value = Reflect::get(&piece, &"value".into()).unwrap_or_default();
        self.ahead = value.dyn_into::<Uint8Array>().map(|piece| piece.to_vec()).unwrap_or_default();
        log::arrived(self.record, self.ahead.len() as u64);
        Ok(true)
    }
}

fn request(url: &str, offset: u64, signal: &AbortSignal) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    headers.set("Range", &format!("bytes={offset}-"))?;
    let init = RequestInit::new();
    init.set_headers(&headers);
    init.set_signal(Some(signal));
    Request::new_with_str_and_init(url, &init)
}

/// The first byte of `bytes 5-9/10`.
fn range_start(content_range: &str) -> Option<u64> {
    content_range.trim().strip_prefix("bytes")?.trim().split('-').next()?.parse().ok()
}

/// What a fetch or a read gave, or what its failure means.
fn settled(url: &str, waited: Waited) -> Result<JsValue, Failure> {
    let reason = match waited {
        Waited::Settled(Ok(value)) => return Ok(value),
        Waited::Aborted => return Err(Error::aborted().into()),
        Waited::TimedOut => format!("nothing arrived for {} seconds", STALL.as_secs()),
        Waited::Settled(Err(error)) => {
            let message =
                Reflect::get(&error, &"message".into()).ok().and_then(|message| message.as_string());
            message.unwrap_or_default()
        }
    };
    Err(lost(url, &reason))
}

/// The network failed; it may come back.
pub(super) fn lost(url: &str, reason: &str) -> Failure {
    let error = Error::new(ErrorKind::Network, format!("{url} could not be fetched: {reason}")).with_hint(
        "The network is down, the server cannot be reached, or it does not allow this page to read the file (CORS): a page cannot tell which.",
    );
    Failure { error, again: Again::Soon }
}

/// What an error status means.
fn refusal(url: &str, offset: u64, response: &Response) -> Failure {
    let status = response.status();
    if status == 416 {
        // The very first byte asked for does not exist.
        let error = if offset == 0 {
            Error::new(ErrorKind::TruncatedFile, format!("{url} is empty: 0 bytes"))
                .with_hint("Fetch or upload the file again.")
        } else {
            changed(url, &format!("there is no byte {offset}"))
        };
        return error.into();
    }
    let hint = match status {
        401 | 403 => {
            "The server does not let this page read the file: it may need a token, or the model's licence be accepted."
        }
        404 | 410 => "Check the URL.",
        429 => "The server asks to wait: try again later.",
        _ => "Try again later.",
    };
    let error =
        Error::new(ErrorKind::HttpStatus, format!("{url} answered {status} {}", response.status_text()))
            .with_hint(hint);
    let asked = response.headers().get("retry-after").ok().flatten();
    let asked =
        asked.and_then(|header| retry::retry_after(&header, js_sys::Date::now(), js_sys::Date::parse));
    let again = match asked {
        _ if !retry::is_transient(status) => Again::Never,
        Some(wait) => Again::After(wait),
        None => Again::Soon,
    };
    Failure { error, again }
}

/// The file is not the one whose first part was read.
pub(super) fn changed(url: &str, how: &str) -> Error {
    Error::new(ErrorKind::CorruptFile, format!("{url} changed while it was loaded: {how}"))
        .with_hint("Load the model again.")
}
