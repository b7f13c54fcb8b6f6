//! In a worker: one turn of the event loop, through a MessageChannel, because nested timers are clamped to 4 ms.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

pub(super) async fn yield_now() {
    // A channel of its own for every turn: a shared one would lose all but the last of several waiters.
    let Ok(channel) = MessageChannel::new() else { return };
    let promise = Promise::new(&mut |resolve: Function, _| {
        channel.port1().set_onmessage(Some(&resolve));
        let _ = channel.port2().post_message(&JsValue::NULL);
    });
    let _ = JsFuture::from(promise).await;
    channel.port1().close();
}
