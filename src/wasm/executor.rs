//! Futures of a worker as promises, run on microtasks.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;

/// Runs `future` in this worker; the promise settles as it does.
///
/// In modules with threads the library would put a turn of the event loop (`Atomics.waitAsync`) between any wake and the
/// work, as the wake may come from another thread. Ours never do: they come from promises, which belong to one worker. A
/// microtask is enough, and what has arrived, an abort or bytes, is taken at once.
pub(super) fn promise(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    let mut future = Some(future);
    Promise::new(&mut |resolve: Function, reject: Function| {
        let Some(future) = future.take() else { return };
        spawn(Box::pin(async move {
            let (settle, value) = match future.await {
                Ok(value) => (resolve, value),
                Err(error) => (reject, error),
            };
            // Both functions never throw.
            let _ = settle.call1(&JsValue::UNDEFINED, &value);
        }));
    })
}

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// A future of this worker.
struct Task {
    future: RefCell<Option<Running>>,
    queued: Cell<bool>,
    waker: Waker,
}

thread_local! {
    /// The futures that run here. A waker may be sent anywhere, so that it can hold a number only.
    static TASKS: RefCell<HashMap<usize, Rc<Task>>> = RefCell::default();
    static NEXT: Cell<usize> = const { Cell::new(0) };
}

/// Wakes the task of this number.
struct Number(usize);

impl Wake for Number {
    fn wake(self: Arc<Self>) {
        let number = self.0;
        let task = TASKS.with_borrow(|tasks| tasks.get(&number).cloned());
        if let Some(task) = task.filter(|task| !task.queued.replace(true)) {
            queue_microtask(&Closure::once_into_js(move || poll(number, &task)).unchecked_into());
        }
    }
}

fn spawn(future: Running) {
    let number = NEXT.replace(NEXT.get() + 1);
    let waker = Waker::from(Arc::new(Number(number)));
    let task = Task { future: RefCell::new(Some(future)), queued: Cell::new(false), waker: waker.clone() };
    TASKS.with_borrow_mut(|tasks| tasks.insert(number, Rc::new(task)));
    waker.wake();
}

fn poll(number: usize, task: &Task) {
    task.queued.set(false);
    let mut future = task.future.borrow_mut();
    let Some(running) = future.as_mut() else { return };
    if running.as_mut().poll(&mut Context::from_waker(&task.waker)).is_ready() {
        *future = None;
        TASKS.with_borrow_mut(|tasks| tasks.remove(&number));
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = queueMicrotask)]
    fn queue_microtask(callback: &Function);
}
