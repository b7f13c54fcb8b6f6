//! Members are threads of this process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use super::Shared;

/// The threads of one team; they have ended when this is gone.
pub struct Members {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts `count` threads.
pub fn gather(count: usize) -> (Arc<Shared>, Members) {
    let shared = Arc::new(Shared::default());
    let start = |_| {
        let shared = Arc::clone(&shared);
        thread::Builder::new().name("tabmind".into()).spawn(move || shared.serve())
    };
    let threads: Vec<_> = (0..count).map_while(|index| start(index).ok()).collect();
    while shared.members() < threads.len() {
        thread::yield_now();
    }
    let members = Members { shared: Arc::clone(&shared), threads };
    (shared, members)
}

impl Drop for Members {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.threads.iter().for_each(|member| member.thread().unpark());
        for thread in self.threads.drain(..) {
            // A thread ends by itself; its panic was reported where it happened.
            let _ = thread.join();
        }
    }
}
