//! The Hugging Face hub: where a file is, and its hash.
//!
//! The hash also stands in a header of the redirect that leads to the file, but a page cannot read a redirect.

use std::time::Duration;

use js_sys::encode_uri_component;
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, Headers, Request, RequestInit, Response};

use super::connection::Target;
use super::{HttpOptions, log};
use crate::error::{Result, bail};
use crate::source::wait::{Waited, scope, within};

const HUB: &str = "https://huggingface.co";
/// How long the hash is waited for. A file can be loaded without it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file of the hub.
pub(super) struct HubFile {
    pub target: Target,
    /// Its SHA-256; none where the hub does not say, as for small files that are not in its large file storage.
    pub sha256: Option<String>,
}

/// One answer of `paths-info`.
#[derive(Deserialize)]
struct PathInfo {
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
}

/// `owner/repo/path[@revision]`, split.
struct Name<'a> {
    repo: String,
    file: &'a str,
    revision: &'a str,
}

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Result<Self> {
        let (path, revision) = name.split_once('@').unwrap_or((name, "main"));
        match path.splitn(3, '/').collect::<Vec<&str>>().as_slice() {
            [owner, repo, file] if [*owner, *repo, *file, revision].iter().all(|part| !part.is_empty()) => {
                Ok(Self { repo: encoded(&format!("{owner}/{repo}")), file, revision })
            }
            _ => bail!(
                InvalidRequest,
                "{name:?} is no hub name: hf:owner/repo/file.gguf[@revision] is expected"
            ),
        }
    }

    fn url(&self, hub: &str) -> String {
        format!("{hub}/{}/resolve/{}/{}", self.repo, component(self.revision), encoded(self.file))
    }
}

/// The URL of the file that `name`, without its `hf:`, means.
///
/// # Errors
/// `invalid_request`
pub fn url(name: &str, hub: Option<&str>) -> Result<String> {
    Ok(Name::parse(name)?.url(endpoint(hub)))
}

/// Asks the hub for the hash of the file that `name` means.
///
/// That the hub does not answer is no error: the file's own request tells why better, or it is in the cache.
///
/// # Errors
/// `invalid_request`
pub(super) async fn find(name: &str, options: &HttpOptions) -> Result<HubFile> {
    let name = Name::parse(name)?;
    let hub = endpoint(options.hub.as_deref());
    let authorization = options.token.as_ref().map(|token| format!("Bearer {token}"));
    let target = Target { url: name.url(hub), authorization };
    let sha256 = if options.sha256.is_some() { None } else { hash(&name, hub, &target, options).await };
    Ok(HubFile { target, sha256 })
}

async fn hash(name: &Name<'_>, hub: &str, target: &Target, options: &HttpOptions) -> Option<String> {
    let url = format!("{hub}/api/models/{}/paths-info/{}", name.repo, component(name.revision));
    let record = log::start(&url);
    let controller = AbortController::new().ok()?;
    let init = RequestInit::new();
    init.set_method("POST");
    // A form and not JSON, which would cost a preflight.
    init.set_body(&JsValue::from(format!("paths={}", component(name.file))));
    init.set_signal(Some(&controller.signal()));
    let headers = Headers::new().ok()?;
    headers.set("Content-Type", "application/x-www-form-urlencoded").ok()?;
    if let Some(authorization) = &target.authorization {
        headers.set("Authorization", authorization).ok()?;
    }
    init.set_headers(&headers);
    let request = Request::new_with_str_and_init(&url, &init).ok()?;
    let answer = async {
        let fetched = scope().fetch_with_request(&request);
        let Waited::Settled(Ok(response)) = within(&fetched, &options.signal, PATIENCE).await else {
            return None;
        };
        let response: Response = response.unchecked_into();
        if !response.ok() {
            return None;
        }
        let text = response.text().ok()?;
        let Waited::Settled(Ok(text)) = within(&text, &options.signal, PATIENCE).await else { return None };
        text.as_string()
    };
    let text = answer.await;
    if text.is_none() {
        controller.abort();
    }
    let text = text?;
    log::arrived(record, text.len() as u64);
    let files: Vec<PathInfo> = serde_json::from_str(&text).ok()?;
    let oid = files.into_iter().next()?.lfs?.oid.to_ascii_lowercase();
    (oid.len() == 64 && oid.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(oid)
}

fn endpoint(hub: Option<&str>) -> &str {
    hub.unwrap_or(HUB).trim_end_matches('/')
}

fn component(text: &str) -> String {
    encode_uri_component(text).into()
}

/// A path whose slashes stay.
fn encoded(path: &str) -> String {
    path.split('/').map(component).collect::<Vec<String>>().join("/")
}
