//! Lets others run: in a worker, messages that have arrived (an abort among them).

#[cfg_attr(target_arch = "wasm32", path = "task/wasm.rs")]
#[cfg_attr(not(target_arch = "wasm32"), path = "task/native.rs")]
mod platform;

use std::time::Duration;

use web_time::Instant;

/// How long a loop may go on without letting others run.
const SLICE: Duration = Duration::from_millis(8);

/// Yields now and then.
pub struct Pace(Instant);

impl Pace {
    /// Starts the first slice.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Lets others run if the slice is over.
    pub async fn breathe(&mut self) {
        if self.0.elapsed() >= SLICE {
            platform::yield_now().await;
            self.0 = Instant::now();
        }
    }
}
