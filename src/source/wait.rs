//! Waiting that an abort or the clock can end.

use std::time::Duration;

use js_sys::{Array, Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, WorkerGlobalScope};

use crate::error::{Error, Result};

/// How a wait ended.
pub(super) enum Waited {
    /// The promise was kept or broken.
    Settled(std::result::Result<JsValue, JsValue>),
    /// The caller aborted.
    Aborted,
    /// Nothing happened for too long.
    TimedOut,
}

/// Waits for `promise`, which is never kept with `undefined`, for `limit` at most.
pub(super) async fn within(promise: &Promise, signal: &AbortSignal, limit: Duration) -> Waited {
    let alarm = Alarm::set(Some(signal), limit);
    let outcome = JsFuture::from(Promise::race(&Array::of2(promise, &alarm.promise))).await;
    match outcome {
        _ if signal.aborted() => Waited::Aborted,
        Ok(value) if value.is_undefined() => Waited::TimedOut,
        outcome => Waited::Settled(outcome),
    }
}

/// Waits for `time`.
///
/// # Errors
/// `aborted`
pub(super) async fn pause(time: Duration, signal: &AbortSignal) -> Result<()> {
    let alarm = Alarm::set(Some(signal), time);
    let _ = JsFuture::from(alarm.promise.clone()).await;
    if signal.aborted() { Err(Error::aborted()) } else { Ok(()) }
}

/// Waits for `time`, whatever happens.
pub async fn sleep(time: Duration) {
    let alarm = Alarm::set(None, time);
    let _ = JsFuture::from(alarm.promise.clone()).await;
}

/// A promise that is kept when the time is over or the caller aborts, whichever comes first.
struct Alarm {
    promise: Promise,
    /// Keeps the promise.
    ring: Option<Function>,
    timer: Option<i32>,
    signal: Option<AbortSignal>,
}

impl Alarm {
    fn set(signal: Option<&AbortSignal>, time: Duration) -> Self {
        let mut ring = None;
        let promise = Promise::new(&mut |resolve, _| ring = Some(resolve));
        let mut timer = None;
        if let Some(ring) = &ring {
            let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
            timer = scope().set_timeout_with_callback_and_timeout_and_arguments_0(ring, milliseconds).ok();
            if let Some(signal) = signal {
                let _ = signal.add_event_listener_with_callback("abort", ring);
                if signal.aborted() {
                    let _ = ring.call0(&JsValue::UNDEFINED);
                }
            }
        }
        Self { promise, ring, timer, signal: signal.cloned() }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            scope().clear_timeout_with_handle(timer);
        }
        // A signal may outlive many waits; it must not hold on to them.
        if let (Some(ring), Some(signal)) = (&self.ring, &self.signal) {
            let _ = signal.remove_event_listener_with_callback("abort", ring);
        }
    }
}

/// What the browser calls itself.
pub fn user_agent() -> String {
    scope().navigator().user_agent().unwrap_or_default()
}

/// The worker's global.
pub(super) fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}
