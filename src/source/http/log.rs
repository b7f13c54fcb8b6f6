//! Every request that was made, for `networkRequests()`.

use std::cell::RefCell;

use serde::Serialize;

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

/// Notes a request to `url`; answers its number.
pub(super) fn start(url: &str) -> usize {
    REQUESTS.with_borrow_mut(|records| {
        records.push(RequestRecord { url: url.to_string(), bytes: 0, at: js_sys::Date::now() });
        records.len() - 1
    })
}

/// Notes that `bytes` more of a request's body have arrived.
pub(super) fn arrived(number: usize, bytes: u64) {
    REQUESTS.with_borrow_mut(|records| {
        if let Some(record) = records.get_mut(number) {
            record.bytes += bytes;
        }
    });
}
