//! One submission: a few tokens of a sequence, and what is read of them.

use std::ops::AddAssign;

use super::GpuEngine;
use super::arena::Place;
use super::program::NONE;
use super::transfer::Transfer;
use crate::engine::{Batch, Pick, SequenceId};
use crate::error::Result;

/// Tokens that run together: either all of their logits are wanted or none.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// Whose tokens they are.
    pub sequence: SequenceId,
    /// Position of the first one.
    pub position: usize,
    /// Which they are.
    pub input: Input<'a>,
    /// What is read of the run.
    pub end: End,
}

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input<'a> {
    /// Tokens that the host knows.
    Ids(&'a [u32]),
    /// The one that the run before chose.
    Chosen,
}

/// What is read of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// Nothing.
    Nothing,
    /// Logits of all tokens.
    Logits,
    /// The token to follow the only one.
    Chosen(Pick),
}

/// What a run cost beside the work itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunCost {
    /// Kernels dispatched.
    pub dispatches: usize,
    /// Buffers, bind groups and pipelines made.
    pub created: usize,
    /// Bytes written to the GPU.
    pub bytes_written: usize,
    /// Times that the host waited for results.
    pub readbacks: usize,
    /// Bytes read back.
    pub bytes_read: usize,
}

impl AddAssign for RunCost {
    fn add_assign(&mut self, other: Self) {
        self.dispatches += other.dispatches;
        self.created += other.created;
        self.bytes_written += other.bytes_written;
        self.readbacks += other.readbacks;
        self.bytes_read += other.bytes_read;
    }
}

/// `Run` of the kernels' prelude.
pub type RunWords = [u32; 9];

impl Piece<'_> {
    /// How many tokens there are.
    pub fn tokens(&self) -> usize {
        match self.input {
            Input::Ids(ids) => ids.len(),
            Input::Chosen => 1,
        }
    }

    /// Those that the host knows.
    pub fn ids(&self) -> &[u32] {
        match self.input {
            Input::Ids(ids) => ids,
            Input::Chosen => &[],
        }
    }

    /// What kernels are told; `chosen` is where chosen tokens are.
    pub fn words(&self, chosen: Place) -> RunWords {
        let word = |value: usize| u32::try_from(value).unwrap_or(NONE);
        let tokens = self.tokens();
        let first_logits = if self.end == End::Nothing { tokens } else { 0 };
        let token = if self.input == Input::Chosen { word(chosen.at) } else { NONE };
        let [tokens, position, first_logits] = [tokens, self.position, first_logits].map(word);
        let [top_k, temperature, min_p, top_p, fraction] = match self.end {
            End::Chosen(Pick::Drawn(draw)) => {
                let [temperature, min_p, top_p, fraction] =
                    [draw.temperature, draw.min_p, draw.top_p, draw.fraction].map(f32::to_bits);
                [word(draw.top_k), temperature, min_p, top_p, fraction]
            }
            _ => [0; 5],
        };
        [tokens, position, first_logits, token, top_k, temperature, min_p, top_p, fraction]
    }
}

impl GpuEngine {
    /// Runs a batch in pieces that fit, and leaves the logits that are wanted in `logits`.
    pub(super) async fn run_to(&mut self, batch: Batch<'_>) -> Result<()> {
        self.land().await;
        self.logits.clear();
        self.cost = RunCost::default();
        let Batch { sequence, tokens, position, first_logits } = batch;
        self.last = tokens.len();
        let mut start = 0;
        while start < tokens.len() {
            // Pieces without logits are as long as the arena; of the others there is room for a few rows.
            let (stop, end) = if start < first_logits {
                (first_logits.min(start + self.arena.tokens), End::Nothing)
            } else {
                (tokens.len().min(start + self.arena.logits_rows), End::Logits)
            };
            let input = Input::Ids(&tokens[start..stop]);
            self.run_piece(&Piece { sequence, position: position + start, input, end }).await?;
            start = stop;
        }
        Ok(())
    }

    /// Runs a piece of a batch, and adds to `logits` what is wanted of it.
    async fn run_piece(&mut self, piece: &Piece<'_>) -> Result<()> {
        let Some((submission, cost)) = self.submit(piece, &self.staging) else { return Ok(()) };
        self.cost += cost;
        if cost.readbacks > 0 {
            let (old, wanted) = (self.logits.len(), cost.bytes_read / size_of::<f32>());
            self.logits.resize(old + wanted, 0.0);
            let mut transfer = Transfer::new(&self.staging, wanted, submission);
            transfer.arrive(&self.device, &mut self.logits[old..]).await?;
        }
        self.device.check()
    }

    /// Submits a piece, and that what is read of it be copied into `staging`; none if its sequence is closed.
    pub(super) fn submit(
        &self,
        piece: &Piece<'_>,
        staging: &wgpu::Buffer,
    ) -> Option<(wgpu::SubmissionIndex, RunCost)> {
        let state = self.sequences.get(piece.sequence.0).and_then(Option::as_ref)?;
        let created = self.device.created();
        let words = piece.words(self.arena.chosen);
        let (tokens, ids) = (piece.tokens(), piece.ids());
        self.device.queue.write_buffer(&self.run, 0, bytemuck::cast_slice(&words));
        self.device.queue.write_buffer(&self.ids, 0, bytemuck::cast_slice(ids));
        let mut encoder = self.device.wgpu.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if piece.position == 0 {
            state.clear_states(&mut encoder);
        }
        let dispatches = self.encode(&mut encoder, state, (tokens, piece.position), piece.end);
        let (source, wanted) = match piece.end {
            End::Nothing => (0, 0),
            End::Logits => (self.arena.logits.at, tokens * self.vocab),
            End::Chosen(_) => (self.arena.chosen.at, 1),
        };
        let bytes_read = wanted * size_of::<f32>();
        if wanted > 0 {
            encoder.copy_buffer_to_buffer(&self.acts, source as u64 * 4, staging, 0, Some(bytes_read as u64));
        }
        let submission = self.device.queue.submit([encoder.finish()]);
        let cost = RunCost {
            dispatches,
            created: self.device.created() - created,
            bytes_written: size_of_val(&words) + size_of_val(ids),
            readbacks: usize::from(wanted > 0),
            bytes_read,
        };
        Some((submission, cost))
    }
}
