//! Tokens in flight: runs that are submitted before the host knows which token they run.
//!
//! A run whose token is chosen on the GPU leaves it in `chosen`, and the run after it takes it from there. So several can be
//! submitted one behind the other, and the way back to the host costs its time once and not for every token. What the host
//! then does not want, as the text has ended, was computed in vain: nothing needs to be taken back, for the queue keeps the
//! order, and the positions are written again before anybody reads them. (A recurrent state could not be written again: with
//! one, nobody asks for tokens ahead.)

use std::collections::VecDeque;

use super::GpuEngine;
use super::device::Device;
use super::piece::{End, Input, Piece, RunCost};
use super::transfer::Transfer;
use crate::engine::{Batch, Pick, SequenceId};
use crate::error::Result;

/// Runs in flight, and what they are read into.
pub struct Flights {
    /// What a token's id can be copied to; each run in flight has taken one out.
    free: Vec<wgpu::Buffer>,
    /// First submitted first.
    runs: VecDeque<Flight>,
    /// The token that the first of them runs; none where the host was not told, or where its sequence has changed.
    first: Option<u32>,
}

/// A run that chooses a token.
struct Flight {
    sequence: SequenceId,
    position: usize,
    pick: Pick,
    staging: wgpu::Buffer,
    transfer: Transfer,
    cost: RunCost,
}

impl Flights {
    /// Room for one run.
    pub fn new(device: &Device) -> Self {
        Self { free: vec![staging(device)], runs: VecDeque::new(), first: None }
    }

    /// Lets nobody take what is in flight, as a sequence is no longer what it was.
    pub fn disown(&mut self) {
        self.first = None;
    }

    /// Gives the memory back.
    pub fn free(self, device: &Device) {
        let flying = self.runs.iter().map(|run| &run.staging);
        self.free.iter().chain(flying).for_each(|staging| device.free(staging));
    }

    /// Whether the first run in flight is the one of `batch`.
    fn is_of(&self, batch: &Batch<'_>, pick: Pick) -> bool {
        let wanted = (batch.sequence, batch.position, pick);
        let is_first = |run: &Flight| (run.sequence, run.position, run.pick) == wanted;
        self.runs.front().is_some_and(is_first) && self.first.is_some_and(|first| batch.tokens == [first])
    }
}

fn staging(device: &Device) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    device.buffer_for("chosen", size_of::<f32>(), usage)
}

impl GpuEngine {
    /// The engine, with room for so many more runs beside the one that the host waits for.
    #[must_use]
    pub fn flying(mut self, ahead: usize) -> Self {
        let device = &self.device;
        self.flights.free.extend((0..ahead).map(|_| staging(device)));
        self
    }

    /// For how many there is room.
    pub fn tokens_ahead(&self) -> usize {
        self.flights.free.len() + self.flights.runs.len() - 1
    }

    /// The token that follows `batch`; behind its run, those of the tokens that `ahead` chooses are submitted.
    pub(super) async fn choose(
        &mut self,
        batch: Batch<'_>,
        pick: Pick,
        ahead: &[Pick],
    ) -> Result<Option<u32>> {
        let Some((last, before)) = batch.tokens.split_last() else { return Ok(None) };
        if self.flights.is_of(&batch, pick) {
            self.cost = RunCost::default();
        } else {
            self.run_to(Batch { tokens: before, first_logits: before.len(), ..batch }).await?;
            let position = batch.position + before.len();
            self.launch(batch.sequence, position, Input::Ids(std::slice::from_ref(last)), pick);
        }
        let position = batch.position + batch.tokens.len();
        let flying = self.flights.runs.len().saturating_sub(1);
        for (index, &pick) in ahead.iter().enumerate().skip(flying) {
            self.launch(batch.sequence, position + index, Input::Chosen, pick);
        }
        self.device.check()?;
        self.land_one().await
    }

    /// Waits until nothing is in flight. What runs fail with is told by who looks at the device next.
    pub(super) async fn land(&mut self) {
        while !self.flights.runs.is_empty() {
            let _ = self.land_one().await;
        }
        self.flights.first = None;
    }

    /// Submits a token's run, if there is room for one more in flight.
    fn launch(&mut self, sequence: SequenceId, position: usize, input: Input<'_>, pick: Pick) {
        let Some(staging) = self.flights.free.pop() else { return };
        let piece = Piece { sequence, position, input, end: End::Chosen(pick) };
        match self.submit(&piece, &staging) {
            Some((submission, cost)) => {
                let transfer = Transfer::new(&staging, 1, submission);
                self.flights.runs.push_back(Flight { sequence, position, pick, staging, transfer, cost });
            }
            None => self.flights.free.push(staging),
        }
    }

    /// Waits for the first run in flight: for the token that it has chosen, unless a logit was no finite number.
    async fn land_one(&mut self) -> Result<Option<u32>> {
        let Some(run) = self.flights.runs.front_mut() else { return Ok(None) };
        let mut chosen = [-1.0];
        let arrived = run.transfer.arrive(&self.device, &mut chosen).await;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "ids are small whole numbers"
        )]
        let id = chosen.into_iter().find(|id| *id >= 0.0).map(|id| id as u32);
        self.flights.first = id;
        if let Some(run) = self.flights.runs.pop_front() {
            self.cost += run.cost;
            self.flights.free.push(run.staging);
        }
        arrived.map(|()| id)
    }
}
