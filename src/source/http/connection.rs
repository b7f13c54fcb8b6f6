//! One request and its answer, up to where it breaks. Nothing is tried twice here.

use std::time::Duration;

use js_sys::{Function, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AbortSignal, Headers, Request, RequestInit, Response};

use super::body::Body;
use super::log;
use crate::error::{Error, ErrorKind};
use crate::source::record::Origin;
use crate::source::retry;
use crate::source::wait::{Waited, scope, within};

/// A connection that brings nothing for so long is dead, whatever the operating system thinks.
const STALL: Duration = Duration::from_secs(20);
/// The question whether a stored file is still the server's is not worth a longer wait.
const VERSION_CHECK: Duration = Duration::from_secs(3);

/// A file on a server, and what opens it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub url: String,
    /// Sent as `Authorization`.
    pub authorization: Option<String>,
}

impl Target {
    /// Whether a server is asked. What else has a URL (a blob, a file of an extension) is here already and knows neither
    /// ranges nor versions: Chromium answers a range of an extension's file with status 200, as if it were all of it.
    pub fn is_remote(&self) -> bool {
        ["http://", "https://"].iter().any(|scheme| self.url.starts_with(scheme))
    }
}

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
    /// The version that the cache knows of.
    pub fn of(origin: Option<&Origin>, len: u64) -> Self {
        let Origin { etag, modified, .. } = origin.cloned().unwrap_or_default();
        Self { len: Some(len), etag, modified }
    }

    /// As the cache keeps it.
    pub fn origin(&self, url: &str) -> Origin {
        Origin { url: url.into(), etag: self.etag.clone(), modified: self.modified.clone() }
    }

    /// Whether the server says anything by which another version could be told from this one.
    pub fn is_told(&self) -> bool {
        self.etag.is_some() || self.modified.is_some()
    }

    fn read(response: &Response, len: Option<u64>) -> Self {
        let etag = header(response, "etag").map(|etag| etag.trim_start_matches("W/").to_string());
        Self { len, etag, modified: header(response, "last-modified") }
    }

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
    _leash: Leash,
    body: Body,
    record: usize,
    /// Whether the server sent the range that was asked for, and not the file from its beginning.
    pub ranged: bool,
    /// Whether that range has an end before the file's.
    pub bounded: bool,
    /// Where in the file the next byte lies.
    pub position: u64,
}

/// Ends a request with the caller's signal, at once: what a busy worker would only notice later is not sent in vain.
struct Leash {
    signal: AbortSignal,
    abort: Option<Function>,
}

impl Leash {
    fn new(signal: &AbortSignal, controller: &AbortController) -> Self {
        let abort = Reflect::get(controller, &"abort".into()).ok();
        let abort = abort.and_then(|abort| abort.dyn_into::<Function>().ok());
        let abort = abort.map(|abort| abort.bind0(controller));
        if let Some(abort) = &abort {
            let _ = signal.add_event_listener_with_callback("abort", abort);
        }
        Self { signal: signal.clone(), abort }
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some(abort) = &self.abort {
            let _ = self.signal.remove_event_listener_with_callback("abort", abort);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.controller.abort();
    }
}

impl Connection {
    /// Asks for the bytes from `offset` on, up to `end` if that is given. Servers that know no ranges answer from the
    /// beginning.
    pub async fn open(
        target: &Target,
        offset: u64,
        end: Option<u64>,
        signal: &AbortSignal,
    ) -> Result<(Self, Version), Failure> {
        let url = &target.url;
        let record = log::start(url);
        let controller = AbortController::new().map_err(|_| no_url(url))?;
        let range = match end {
            Some(end) => format!("bytes={offset}-{}", end - 1),
            None => format!("bytes={offset}-"),
        };
        let range = target.is_remote().then_some(range);
        let headers = [("Range", range), ("Authorization", target.authorization.clone())];
        let leash = Leash::new(signal, &controller);
        let request = request(url, "GET", headers, &controller.signal()).map_err(|_| no_url(url))?;
        let answer = within(&scope().fetch_with_request(&request), signal, STALL).await;
        if !matches!(answer, Waited::Settled(_)) {
            controller.abort();
        }
        let response: Response = settled(url, answer)?.unchecked_into();
        if !response.ok() {
            controller.abort();
            return Err(refusal(url, offset, &response));
        }
        let ranged = response.status() == 206;
        let position = if ranged { offset } else { 0 };
        let range = header(&response, "content-range");
        if let Some(start) = range.as_deref().and_then(range_start).filter(|&start| start != position) {
            controller.abort();
            let detail =
                format!("{url} answered with bytes from {start} on, asked for those from {position} on");
            return Err(Error::new(ErrorKind::CorruptFile, detail).into());
        }
        // Other origins seldom let a page read Content-Range; all of them let it read Content-Length, which tells
        // where the file ends if the answer goes on to there.
        let whole = range.as_deref().and_then(|range| range.rsplit('/').next()?.parse().ok());
        let to_the_end = !ranged || end.is_none();
        let rest = body_len(&response).filter(|_| to_the_end).map(|len| position + len);
        let version = Version::read(&response, whole.or(rest));
        let Some(body) = response.body().and_then(Body::new) else {
            return Err(Error::new(ErrorKind::Network, format!("{url} answered without a body")).into());
        };
        let connection = Self {
            url: url.clone(),
            controller,
            signal: signal.clone(),
            _leash: leash,
            body,
            record,
            ranged,
            bounded: !to_the_end,
            position,
        };
        Ok((connection, version))
    }

    /// Waits for the next piece of the body; none at its end.
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let result = settled(&self.url, within(&self.body.read(), &self.signal, STALL).await)?;
        let Some(bytes) = self.body.take(&result) else { return Ok(None) };
        log::arrived(self.record, bytes.len() as u64);
        self.position += bytes.len() as u64;
        Ok(Some(bytes))
    }
}

/// The version of the file that the server has now, without its bytes; none if it does not say.
///
/// # Errors
/// `aborted`
pub(super) async fn current_version(target: &Target, signal: &AbortSignal) -> Result<Option<Version>, Error> {
    let url = &target.url;
    log::start(url);
    let controller = AbortController::new().map_err(|_| no_url(url))?;
    let headers = [("Authorization", target.authorization.clone())];
    let request = request(url, "HEAD", headers, &controller.signal()).map_err(|_| no_url(url))?;
    let answer = within(&scope().fetch_with_request(&request), signal, VERSION_CHECK).await;
    let response: Response = match answer {
        Waited::Settled(Ok(response)) => response.unchecked_into(),
        Waited::Settled(Err(_)) => return Ok(None),
        Waited::Aborted => return Err(Error::aborted()),
        Waited::TimedOut => {
            controller.abort();
            return Ok(None);
        }
    };
    Ok(response.ok().then(|| Version::read(&response, body_len(&response))))
}

fn no_url(url: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("{url:?} is no URL"))
}

fn request<const N: usize>(
    url: &str,
    method: &str,
    fields: [(&str, Option<String>); N],
    signal: &AbortSignal,
) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in fields {
        if let Some(value) = value {
            headers.set(name, &value)?;
        }
    }
    let init = RequestInit::new();
    init.set_method(method);
    init.set_headers(&headers);
    init.set_signal(Some(signal));
    Request::new_with_str_and_init(url, &init)
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

/// Length of the body, if the server tells and did not compress it.
fn body_len(response: &Response) -> Option<u64> {
    let plain = header(response, "content-encoding").is_none();
    header(response, "content-length").and_then(|len| len.parse().ok()).filter(|_| plain)
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
