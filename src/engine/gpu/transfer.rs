//! Results on their way from the GPU to the host.

use tokio::sync::oneshot;

use super::device::{Device, lost};
use crate::error::Result;

/// The beginning of a buffer that was asked for.
pub struct Transfer {
    staging: wgpu::Buffer,
    bytes: u64,
    /// What writes the buffer.
    submission: wgpu::SubmissionIndex,
    outcome: oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Transfer {
    /// Asks for the first `floats` floats of `staging`, a buffer that can be mapped, as `submission` leaves them.
    pub fn new(staging: &wgpu::Buffer, floats: usize, submission: wgpu::SubmissionIndex) -> Self {
        let bytes = (floats * size_of::<f32>()) as u64;
        let (sender, outcome) = oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, ..bytes, move |outcome| {
            // Nobody waits any longer if the transfer was dropped.
            let _ = sender.send(outcome);
        });
        Self { staging: staging.clone(), bytes, submission, outcome }
    }

    /// Waits for them; afterwards the buffer can be written again. If the future is dropped, another may wait.
    ///
    /// # Errors
    /// What `device` failed with; `device_lost`.
    pub async fn arrive(&mut self, device: &Device, into: &mut [f32]) -> Result<()> {
        // In a browser the event loop does this.
        let submission_index = Some(self.submission.clone());
        let polled = device.wgpu.poll(wgpu::PollType::Wait { submission_index, timeout: None });
        let outcome = (&mut self.outcome).await;
        device.check()?;
        if polled.is_err() || !matches!(outcome, Ok(Ok(()))) {
            return Err(lost("results could not be read"));
        }
        let view = self.staging.get_mapped_range(..self.bytes).map_err(|error| lost(&error.to_string()))?;
        into.copy_from_slice(bytemuck::cast_slice(&view));
        drop(view);
        self.staging.unmap();
        Ok(())
    }
}
