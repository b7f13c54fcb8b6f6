//! What mixes channels or tokens otherwise: convolutions, delta nets, experts.

use proptest::prelude::*;
use tabmind::kernels::activation::Activation;
use tabmind::kernels::delta_net::DeltaNet;
use tabmind::kernels::experts::{Experts, Gating};
use tabmind::kernels::formats::Format;
use tabmind::kernels::short_conv::ShortConv;
use tabmind::recording::Op;

use super::case::Case;

pub fn short_convolutions() -> impl Strategy<Value = Case> {
    let shape = (1usize..70, 2usize..5, 1usize..10);
    (shape, any::<u64>()).prop_map(|((channels, taps, prompt), seed)| {
        let mut case = Case::new(seed);
        let x = case.embed(Format::F32, 20);
        let bcx = case.project(x, 3 * channels);
        let y = case.recording.buffer(channels);
        let kernel = case.vector(channels * taps, -1.0, 1.0);
        let state = case.recording.state((taps - 1) * channels);
        case.recording.push(Op::ShortConv(ShortConv { bcx, kernel, taps, state, y }));
        case.ending_with(y, prompt)
    })
}

pub fn delta_nets() -> impl Strategy<Value = Case> {
    let shape = (1usize..3, 1usize..3, 1usize..20, 1usize..70, 1usize..8);
    (shape, any::<u64>()).prop_map(|((key_heads, per_key, key_dim, value_dim, prompt), seed)| {
        let value_heads = key_heads * per_key;
        let values = value_heads * value_dim;
        let channels = 2 * key_heads * key_dim + values;
        let mut case = Case::new(seed);
        let x = case.embed(Format::F32, 20);
        let all = case.project(x, channels + values + 2 * value_heads);
        let y = case.recording.buffer(values);
        let conv_state = case.recording.state(3 * channels);
        let state = case.recording.state(value_heads * key_dim * value_dim);
        let op = DeltaNet {
            qkv: all.slice(0, channels),
            z: all.slice(channels, values),
            beta: all.slice(channels + values, value_heads),
            alpha: all.slice(channels + values + value_heads, value_heads),
            kernel: case.vector(4 * channels, -1.0, 1.0),
            taps: 4,
            a: case.vector(value_heads, -2.0, -0.1),
            dt: case.vector(value_heads, -1.0, 1.0),
            norm: case.norm_params(value_dim, false, false),
            key_heads,
            value_heads,
            key_dim,
            value_dim,
            conv_state,
            state,
            y,
        };
        case.recording.push(Op::DeltaNet(op));
        case.ending_with(y, prompt)
    })
}

/// Experts whose gate, up and down have these formats.
pub fn experts([gate, up, down]: [Format; 3]) -> impl Strategy<Value = Case> {
    let shape = (1usize..7, 1usize..3, 1usize..3, 1usize..12);
    (shape, any::<[bool; 3]>(), any::<u64>()).prop_map(move |(shape, flags, seed)| {
        let (count, width, hidden, prompt) = shape;
        let [softmax, renormalise, biased] = flags;
        // Rows are whole blocks.
        let unit = [gate, up, down].map(Format::block_len).into_iter().fold(32, usize::max);
        let (width, hidden) = (unit * width, unit * hidden);
        // Quantised weights are small ones; without the experts nothing must be as it was.
        let scale = if gate.block_len() == 1 { 1.2 } else { 10_000.0 };
        let mut case = Case::new(seed);
        let x = case.embed(Format::F32, hidden);
        let scores = case.project(x, count);
        let y = case.project(x, hidden);
        let op = Experts {
            x,
            scores,
            gate: case.matrix(gate, count * width, hidden),
            up: case.matrix(up, count * width, hidden),
            down: case.matrix(down, count * hidden, width),
            width,
            used: count.div_ceil(2),
            gating: if softmax { Gating::Softmax } else { Gating::Sigmoid },
            selection_bias: biased.then(|| case.vector(count, -1.0, 1.0)),
            renormalise,
            activation: Activation::Silu,
            scale,
            y,
        };
        case.recording.push(Op::Experts(op));
        case.ending_with(y, prompt)
    })
}
