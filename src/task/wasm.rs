//! In a worker: one turn of the event loop, through a MessageChannel, because nested timers are clamped to 4 ms.

use std::cell::RefCell;

use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

thread_local! {
    static CHANNEL: RefCell<Option<MessageChannel>> = const { RefCell::new(None) };
}

pub(super) async fn yield_now() {
    let Some(channel) = CHANNEL.with(|slot| {
        let mut slot = slot.borrow_mut();
        if slot.is_none() {
            *slot = MessageChannel::new().ok();
        }
        slot.clone()
    }) else {
        return;
    };
    let promise = Promise::new(&mut |resolve: Function, _| {
        let done = Closure::once_into_js(move || {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        });
        channel.port1().set_onmessage(Some(done.unchecked_ref()));
        let _ = channel.port2().post_message(&JsValue::NULL);
    });
    let _ = JsFuture::from(promise).await;
}
