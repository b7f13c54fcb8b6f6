//! One worker at a time, across all tabs of the origin: the Web Locks API.

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

use crate::error::{Error, Result};
use crate::source::wait::scope;

// Declared here: web-sys has it only behind a flag of the compiler, though every browser has had it since 2022.
#[wasm_bindgen]
extern "C" {
    type Locks;
    #[wasm_bindgen(method)]
    fn request(this: &Locks, name: &str, options: &Object, granted: &JsValue) -> Promise;
}

/// A lock, until it is dropped. A worker that dies loses its locks.
pub(in crate::source) struct Lock(Option<Function>);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(release) = &self.0 {
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

impl Lock {
    /// Waits for the lock called `name`.
    ///
    /// # Errors
    /// `aborted`
    pub async fn wait(name: &str, signal: &AbortSignal) -> Result<Self> {
        Self::request(name, "signal", signal).await.ok_or_else(Error::aborted)
    }

    /// The lock called `name`, if nobody has it.
    pub async fn now(name: &str) -> Option<Self> {
        Self::request(name, "ifAvailable", &JsValue::TRUE).await
    }

    /// Asks for the lock with one option.
    async fn request(name: &str, option: &str, value: &JsValue) -> Option<Self> {
        let options = Object::new();
        let _ = Reflect::set(&options, &option.into(), value);
        let locks = Reflect::get(&scope().navigator(), &"locks".into()).ok()?;
        if locks.is_undefined() {
            // No locks, no other tabs that could be told to wait: files are still opened by one worker only.
            return Some(Self(None));
        }
        let locks: Locks = locks.unchecked_into();
        let mut release = None;
        let held = Promise::new(&mut |resolve, _| release = Some(resolve));
        // Kept with whether the lock was granted; the lock is ours until `held` is kept.
        let granted = Promise::new(&mut |resolve, refuse| {
            let held = held.clone();
            let settle = resolve.clone();
            let on_granted = Closure::once_into_js(move |lock: JsValue| {
                let _ = settle.call1(&JsValue::UNDEFINED, &JsValue::from(!lock.is_null()));
                held
            });
            let on_refused = Closure::once_into_js(move |error: JsValue| {
                let _ = refuse.call1(&JsValue::UNDEFINED, &error);
            });
            // An abort rejects the request itself.
            let request = locks.request(name, &options, &on_granted);
            let _ = Reflect::get(&request, &"catch".into())
                .and_then(|catch| catch.unchecked_into::<Function>().call1(&request, &on_refused));
        });
        let is_granted = JsFuture::from(granted).await.is_ok_and(|granted| granted.is_truthy());
        is_granted.then_some(Self(release))
    }
}
