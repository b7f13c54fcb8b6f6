//! Attention: in all of its forms over plain caches, and over caches as they are beside quantised weights.

use std::ops::Range;

use proptest::prelude::*;
use tabmind::kernels::attention::{Attention, QueryTemperature};
use tabmind::kernels::formats::Format;
use tabmind::kernels::linear::{Epilogue, Linear, Weight};
use tabmind::recording::{CacheShape, Op, RopeTable};

use super::case::{CONTEXT, Case, PLAIN};

/// Norms, rotation, gate, softcap, window and temperature in any combination, with heads of any size.
pub fn plain() -> impl Strategy<Value = Case> {
    of_prompts(1..CONTEXT - 12, CONTEXT, 5)
}

/// The same over contexts so long that engines split them, with windows that begin in their middle.
pub fn long() -> impl Strategy<Value = Case> {
    of_prompts(250..800, 840, 300)
}

fn of_prompts(prompts: Range<usize>, context: usize, window_len: usize) -> impl Strategy<Value = Case> {
    let heads = (1usize..4, 1usize..10, 1usize..6, 1usize..70);
    let options = (any::<[bool; 6]>(), prompts, any::<u64>());
    (heads, options).prop_map(move |((kv_heads, group, pairs, value_dim), (flags, prompt, seed))| {
        let [norm, rope, gate, softcap, window, temperature] = flags;
        let mut case = Case::new(seed);
        case.context = context;
        let x = case.embed(Format::F32, 24);
        let (heads, key_dim) = (kv_heads * group, 2 * pairs + 3);
        let (q, k, v) = (heads * key_dim, kv_heads * key_dim, kv_heads * value_dim);
        let all = case.project(x, q + k + v);
        let y = case.recording.buffer(heads * value_dim);
        let gate = gate.then(|| case.project(x, heads * value_dim));
        let frequencies = (0..pairs).map(|i| 10000f64.powf(-(i as f64) / pairs as f64)).collect();
        case.recording.ropes.push(RopeTable { frequencies, scale: 1.1 });
        let cache = case.recording.cache(CacheShape { heads: kv_heads, key_width: k, value_width: v });
        let (q_norm, k_norm) =
            (case.norm_params(key_dim, false, false), case.norm_params(key_dim, false, false));
        case.recording.push(Op::Attention(Attention {
            q: all.slice(0, q),
            kv: Some((all.slice(q, k), all.slice(q + k, v))),
            y,
            gate,
            cache,
            heads,
            kv_heads,
            key_dim,
            value_dim,
            q_norm: norm.then_some(q_norm),
            k_norm: norm.then_some(k_norm),
            v_norm: norm.then_some(PLAIN),
            rope: rope.then_some(0),
            scale: 0.4,
            softcap: softcap.then_some(2.0),
            window: window.then_some(window_len),
            temperature: temperature.then_some(QueryTemperature { factor: 0.3, length: 4 }),
        }));
        case.ending_with(y, prompt)
    })
}

/// A whole layer whose cache, following the output's weights, is plain or in 8 bits.
pub fn cached() -> impl Strategy<Value = Case> {
    let shape = (any::<bool>(), 1usize..4, 1usize..6, 16usize..40)
        // Quantised weights come in blocks.
        .prop_filter("whole blocks", |&(quantized, kv_heads, sharing, halves)| {
            !quantized || (kv_heads * sharing * halves).is_multiple_of(16)
        });
    let options = (prop::option::of(1usize..50), prop::option::of(5.0f32..50.0));
    (shape, options, 1usize..75, any::<u64>()).prop_map(|(shape, (window, softcap), tokens, seed)| {
        let (quantized, kv_heads, sharing, halves) = shape;
        let mut case = Case::new(seed);
        let x = case.embed(Format::F32, 32);
        let (dim, heads) = (2 * halves, kv_heads * sharing);
        let (q, kv) = (heads * dim, kv_heads * dim);
        let y = case.recording.buffer(q);
        let all = case.recording.buffer(q + 2 * kv);
        let frequencies = (0..halves).map(|i| 0.7f64.powi(i as i32)).collect();
        case.recording.ropes.push(RopeTable { frequencies, scale: 1.0 });
        let cache = case.recording.cache(CacheShape { heads: kv_heads, key_width: kv, value_width: kv });
        // The projection's own rounding stays out of it, and the last one is small.
        let weights = vec![Weight { matrix: case.matrix(Format::F32, all.width, x.width), bias: None }];
        let linear = Linear { x, norm: Some(PLAIN), weights, y: all, epilogue: Epilogue::Store };
        case.recording.push(Op::Linear(linear));
        case.recording.push(Op::Attention(Attention {
            q: all.slice(0, q),
            kv: Some((all.slice(q, kv), all.slice(q + kv, kv))),
            y,
            gate: None,
            cache,
            heads,
            kv_heads,
            key_dim: dim,
            value_dim: dim,
            q_norm: Some(PLAIN),
            k_norm: Some(PLAIN),
            v_norm: None,
            rope: Some(0),
            scale: 1.0 / (dim as f32).sqrt(),
            softcap,
            window,
            temperature: None,
        }));
        let format = if quantized { Format::Q8_0 } else { Format::F32 };
        case.ending_with_products(y, format, 5, tokens)
    })
}
