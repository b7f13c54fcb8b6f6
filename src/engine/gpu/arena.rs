//! Where activations lie: every buffer of the recording, `[tokens, width]`, one behind the other in one GPU buffer.

use super::attention::partials;
use super::device::Device;
use crate::error::Result;
use crate::kernels::experts::Experts;
use crate::recording::{Op, Recording, View};

/// Tokens that run together at most.
const MOST_TOKENS: usize = 256;
/// What the logits of one run take at most.
const LOGITS_BYTES: usize = 32 << 20;

/// Rows of f32 inside the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// First element.
    pub at: usize,
    /// Elements from one row to the next.
    pub stride: usize,
}

impl Place {
    /// The same rows from column `column` on.
    pub fn column(self, column: usize) -> Place {
        Place { at: self.at + column, ..self }
    }
}

/// Offsets of everything that kernels write.
#[derive(Debug)]
pub struct Arena {
    /// Tokens that it has room for.
    pub tokens: usize,
    /// Tokens whose logits it has room for.
    pub logits_rows: usize,
    /// Columns of the widest matrix that is multiplied with many tokens.
    pub widest: usize,
    /// `[tokens, widest input]`: normalised inputs of projections.
    pub normed: Place,
    /// `[tokens, 2 · used]`: chosen experts, then their weights.
    pub routes: Place,
    /// `[tokens · used, width]`: inner activations of experts.
    pub expert_inner: Place,
    /// `[tokens · used, hidden]`: outputs of experts.
    pub expert_out: Place,
    /// One token's attention by pieces of its positions.
    pub partials: Place,
    /// `[wanted tokens, vocabulary]`
    pub logits: Place,
    /// The token that was chosen.
    pub chosen: Place,
    buffers: Vec<Place>,
    len: usize,
}

impl Arena {
    /// An arena for as many tokens as fit into one binding of `device`.
    ///
    /// # Errors
    /// `out_of_memory` if not even one token does.
    pub fn new(device: &Device, recording: &Recording, vocab: usize) -> Result<Self> {
        let mut tokens = MOST_TOKENS;
        loop {
            let rows = (LOGITS_BYTES / (vocab * 4)).clamp(1, tokens);
            let arena = Self::of(recording, vocab, tokens, rows);
            if arena.bytes() <= device.binding_bytes() {
                return Ok(arena);
            }
            tokens /= 2;
            device.check_fits(tokens, arena.bytes())?;
        }
    }

    fn of(recording: &Recording, vocab: usize, tokens: usize, logits_rows: usize) -> Self {
        let mut len = 0;
        let mut rows = |count: usize, stride: usize| {
            let at = len;
            len += (count * stride).next_multiple_of(4);
            Place { at, stride }
        };
        let experts = |size: &dyn Fn(&Experts) -> usize| {
            let ops =
                recording.ops.iter().filter_map(|op| if let Op::Experts(op) = op { Some(op) } else { None });
            ops.map(size).max().unwrap_or(0)
        };
        let inputs = recording.ops.iter().filter_map(|op| match op {
            Op::Linear(op) => op.norm.map(|_| op.x.width),
            Op::Logits(op) => Some(op.x.width),
            _ => None,
        });
        let widest_normed = inputs.max().unwrap_or(0);
        let inputs = recording.ops.iter().filter_map(|op| match op {
            Op::Linear(op) => Some(op.x.width),
            Op::Logits(op) => Some(op.x.width),
            _ => None,
        });
        let widest = inputs.max().unwrap_or(0);
        let attention = recording.ops.iter().filter_map(|op| match op {
            Op::Attention(op) => Some(partials(op)),
            _ => None,
        });
        Self {
            tokens,
            logits_rows,
            widest,
            buffers: recording.buffers.iter().map(|&width| rows(tokens, width)).collect(),
            normed: rows(tokens, widest_normed),
            routes: rows(tokens, experts(&|op| 2 * op.used)),
            expert_inner: rows(tokens, experts(&|op| op.used * op.width)),
            expert_out: rows(tokens, experts(&|op| op.used * op.x.width)),
            partials: rows(1, attention.max().unwrap_or(0)),
            logits: rows(logits_rows, vocab),
            chosen: rows(1, 1),
            len,
        }
    }

    /// Bytes of the whole.
    pub fn bytes(&self) -> usize {
        self.len * 4
    }

    /// Where a view's rows are.
    pub fn place(&self, view: View) -> Place {
        self.buffers[view.buf.0].column(view.offset)
    }
}
