//! The layers with recurrent state: `ShortConv` and `DeltaNet`.

use super::linear::normalise;
use super::math::{activate, add_scaled, dot};
use super::team::{Parts, Team};
use crate::kernels::activation::{Activation, sigmoid, softplus};
use crate::kernels::delta_net::{DeltaNet, L2_EPS};
use crate::kernels::memory::Memory;
use crate::kernels::short_conv::ShortConv;

/// Scratch of these layers, kept from one run to the next.
#[derive(Default)]
pub struct Recurrence {
    /// A token's channels.
    row: Vec<f32>,
    /// Per thread: a head's query, key, and change or output.
    heads: Vec<Vec<f32>>,
}

/// One step of a causal depthwise convolution: `row`, the newest inputs, become the outputs, and `state`, the
/// `taps − 1` inputs before, oldest first, moves on.
fn convolve(kernel: &[f32], taps: usize, state: &mut [f32], row: &mut [f32]) {
    let channels = row.len();
    for (c, newest) in row.iter_mut().enumerate() {
        let kernel = &kernel[c * taps..][..taps];
        let older: f32 = (0..taps - 1).map(|j| kernel[j] * state[j * channels + c]).sum();
        // What is overwritten here has been read: the state shifts channel by channel.
        (1..taps - 1).for_each(|j| state[(j - 1) * channels + c] = state[j * channels + c]);
        let input = *newest;
        if taps > 1 {
            state[(taps - 2) * channels + c] = input;
        }
        *newest = older + kernel[taps - 1] * input;
    }
}

impl Recurrence {
    /// Runs a `ShortConv`.
    pub fn short_conv(&mut self, op: &ShortConv, m: &mut Memory) {
        let channels = op.y.width;
        for t in 0..m.tokens.len() {
            let (b, x) = (op.bcx.slice(0, channels), op.bcx.slice(2 * channels, channels));
            self.row.clear();
            self.row.extend(m.slice(b, t).iter().zip(m.slice(x, t)).map(|(b, x)| b * x));
            let mut state = std::mem::take(&mut m.sequence.states[op.state]);
            convolve(m.vector(op.kernel), op.taps, &mut state, &mut self.row);
            m.sequence.states[op.state] = state;
            self.row.iter_mut().zip(m.slice(op.bcx.slice(channels, channels), t)).for_each(|(y, c)| *y *= c);
            m.slice_mut(op.y, t).copy_from_slice(&self.row);
        }
    }

    /// Runs a `DeltaNet`.
    pub fn delta_net(&mut self, op: &DeltaNet, team: &Team, m: &mut Memory) {
        self.heads.resize_with(team.size(), Vec::new);
        for t in 0..m.tokens.len() {
            self.row.clear();
            self.row.extend_from_slice(m.slice(op.qkv, t));
            let mut state = std::mem::take(&mut m.sequence.states[op.conv_state]);
            convolve(m.vector(op.kernel), op.taps, &mut state, &mut self.row);
            m.sequence.states[op.conv_state] = state;
            activate(Activation::Silu, &mut self.row);
            self.delta_heads(op, team, m, t);
        }
    }

    /// One token's heads.
    fn delta_heads(&mut self, op: &DeltaNet, team: &Team, m: &mut Memory, t: usize) {
        let mut state = std::mem::take(&mut m.sequence.states[op.state]);
        let mut y = std::mem::take(&mut m.buffers[op.y.buf.0]);
        let start = t * m.widths[op.y.buf.0] + op.y.offset;
        let size = op.key_dim * op.value_dim;
        let (states, out, heads) = (Parts::of(&mut state), Parts::of(&mut y), Parts::of(&mut self.heads));
        let row = &self.row;
        team.split(op.value_heads, &|head, thread| {
            // SAFETY: a head is in one piece only, and a thread has its own scratch.
            let (state, y, scratch) = unsafe {
                let y = out.get(start + head * op.value_dim, op.value_dim);
                (states.get(head * size, size), y, &mut heads.get(thread, 1)[0])
            };
            delta_head(op, m, t, head, row, state, y, scratch);
        });
        m.sequence.states[op.state] = state;
        m.buffers[op.y.buf.0] = y;
    }
}

/// One head of one token: `S ← d·S + k ⊗ β(v − d·Sᵀk)`, `y = norm(Sᵀq / √key_dim) · silu(z)`.
#[allow(clippy::cast_precision_loss, reason = "a head has few dimensions")]
fn delta_head(
    op: &DeltaNet,
    m: &Memory,
    t: usize,
    head: usize,
    row: &[f32],
    state: &mut [f32],
    y: &mut [f32],
    scratch: &mut Vec<f32>,
) {
    let keys = op.key_heads * op.key_dim;
    let at = (head % op.key_heads) * op.key_dim;
    let value = &row[2 * keys + head * op.value_dim..][..op.value_dim];
    scratch.clear();
    scratch.extend_from_slice(&row[at..at + op.key_dim]);
    scratch.extend_from_slice(&row[keys + at..keys + at + op.key_dim]);
    scratch.resize(2 * op.key_dim + op.value_dim, 0.0);
    let (query, rest) = scratch.split_at_mut(op.key_dim);
    let (key, change) = rest.split_at_mut(op.key_dim);
    for unit in [&mut *query, key] {
        let scale = 1.0 / (dot(unit, unit) + L2_EPS).sqrt();
        unit.iter_mut().for_each(|v| *v *= scale);
    }
    let beta = sigmoid(m.slice(op.beta, t)[head]);
    let rate = softplus(m.slice(op.alpha, t)[head] + m.vector(op.dt)[head]);
    let decay = (m.vector(op.a)[head] * rate).exp();
    for (row, k) in state.chunks_exact_mut(op.value_dim).zip(&*key) {
        row.iter_mut().for_each(|s| *s *= decay);
        add_scaled(change, *k, row);
    }
    change.iter_mut().zip(value).for_each(|(change, v)| *change = beta * (v - *change));
    y.fill(0.0);
    let scale = 1.0 / (op.key_dim as f32).sqrt();
    for (row, (k, q)) in state.chunks_exact_mut(op.value_dim).zip(key.iter().zip(query)) {
        add_scaled(row, *k, change);
        add_scaled(y, *q * scale, row);
    }
    normalise(m, &op.norm, y);
    change.copy_from_slice(m.slice(op.z.slice(head * op.value_dim, op.value_dim), t));
    activate(Activation::Silu, change);
    y.iter_mut().zip(change).for_each(|(y, z)| *y *= *z);
}
