//! Products with matrices, and what stands between them.

use std::ops::Range;

use proptest::prelude::*;
use tabmind::kernels::activation::Activation;
use tabmind::kernels::formats::Format;
use tabmind::kernels::linear::{Epilogue, Linear, Weight};
use tabmind::kernels::norm::{Norm, NormMode, NormParams};
use tabmind::kernels::scale::Scale;
use tabmind::recording::Op;

use super::case::{Case, PLAIN};

/// `logits = W · norm(embedding)`: odd numbers of rows, up to nine tokens.
pub fn products(format: Format) -> impl Strategy<Value = Case> {
    products_of(format, 1usize..10)
}

/// The same of many tokens, which the GPU rounds: several tiles.
pub fn packed_products(format: Format) -> impl Strategy<Value = Case> {
    products_of(format, 9usize..101).prop_map(Case::packed)
}

/// The same in half precision.
pub fn half_products(format: Format) -> impl Strategy<Value = Case> {
    products_of(format, 9usize..101).prop_map(Case::half)
}

fn products_of(format: Format, tokens: Range<usize>) -> impl Strategy<Value = Case> {
    let unit = if format.block_len() == 1 { 24 } else { format.block_len() };
    let shape = (1usize..150, 1usize..4, tokens, any::<u64>());
    shape.prop_map(move |(rows, blocks, tokens, seed)| {
        let mut case = Case::new(seed);
        let x = case.embed(Format::F32, blocks * unit);
        case.ending_with_products(x, format, rows, tokens)
    })
}

/// Projections: odd numbers of rows, several matrices, every epilogue, norms folded or not.
pub fn projections(format: Format) -> impl Strategy<Value = Case> {
    projections_of(format, 1usize..90)
}

/// Projections whose activations are rounded, on enough rows: of a single one the norm behind it leaves the sign.
pub fn rounded_projections(format: Format) -> impl Strategy<Value = Case> {
    projections_of(format, 16usize..90).prop_map(Case::with_rounded_activations)
}

/// Gates of many tokens, which the GPU rounds.
pub fn packed_gates(format: Format) -> impl Strategy<Value = Case> {
    gates(format).prop_map(|case| case.with_rounded_activations().packed())
}

/// The same in half precision, of activations that exceed it where no norm comes first.
pub fn half_gates(format: Format) -> impl Strategy<Value = Case> {
    gates(format).prop_map(|case| case.half().huge())
}

fn gates(format: Format) -> impl Strategy<Value = Case> {
    let shape = (1usize..6, 16usize..90, 9usize..101, 0usize..4, any::<u64>());
    shape.prop_map(move |(blocks, rows, prompt, norm, seed)| {
        let shape = (format.block_len() * blocks, rows, 2, prompt);
        projection(format, shape, 3, norm, seed)
    })
}

fn projections_of(format: Format, rows: Range<usize>) -> impl Strategy<Value = Case> {
    let columns = (1usize..6).prop_map(move |blocks| match format.block_len() {
        1 => 4 * blocks * 11 + 3,
        256 => 256 * blocks.div_ceil(3),
        len => len * blocks,
    });
    // Up to 8 tokens, and tiles of 32 tokens and 64 rows.
    let prompt = prop_oneof![1usize..9, 9usize..101];
    let shape = (columns, rows, 1usize..4, prompt);
    (shape, 0usize..6, 0usize..4, any::<u64>())
        .prop_map(move |(shape, epilogue, norm, seed)| projection(format, shape, epilogue, norm, seed))
}

fn projection(
    format: Format,
    (columns, rows, matrices, prompt): (usize, usize, usize, usize),
    epilogue: usize,
    norm: usize,
    seed: u64,
) -> Case {
    let mut case = Case::new(seed);
    let x = case.embed(format, columns);
    let norm = match norm {
        0 => None,
        1 => Some(PLAIN),
        2 => Some(case.norm_params(columns, false, false)),
        _ => Some(case.norm_params(columns, true, true)),
    };
    let gate = epilogue == 3;
    let count = if gate { 2 } else { matrices };
    // A gate's two halves, or neighbours, may have different formats.
    let mixes = format.block_len() > 1 && columns.is_multiple_of(32) && seed.is_multiple_of(3);
    let other = if mixes { Format::Q8_0 } else { format };
    let weights = (0..count).map(|index| Weight {
        matrix: case.matrix(if index == 1 { other } else { format }, rows, columns),
        bias: seed.is_multiple_of(2).then(|| case.vector(rows, -1.0, 1.0)),
    });
    let weights: Vec<Weight> = weights.collect();
    let width = if gate { rows } else { rows * count };
    let y = case.project(x, width);
    let by = case.project(x, width);
    let epilogue = match epilogue {
        0 => Epilogue::Store,
        1 => Epilogue::Add(0.6),
        2 => Epilogue::Activate(Activation::GeluErf),
        3 => Epilogue::Gate(Activation::Silu),
        4 => Epilogue::Activate(Activation::GeluTanh),
        _ => Epilogue::Multiply(Activation::Silu, by),
    };
    case.recording.push(Op::Linear(Linear { x, norm, weights, y, epilogue }));
    case.ending_with(y, prompt)
}

/// Norms of groups, stored or added, and a factor.
pub fn norms_and_scale() -> impl Strategy<Value = Case> {
    let shape = (1usize..90, 1usize..5, 1usize..10);
    (shape, any::<[bool; 3]>(), any::<u64>()).prop_map(|((group, groups, prompt), flags, seed)| {
        let [centred, bias, adds] = flags;
        let mut case = Case::new(seed);
        let x = case.embed(Format::F32, group * groups);
        let y = case.project(x, group * groups);
        let norm = case.norm_params(group, centred, bias);
        let mode = if adds { NormMode::Add(0.3) } else { NormMode::Store };
        case.recording.push(Op::Norm(Norm { x, group, norm, y, mode }));
        let by = case.vector(1, 2.0, 3.0);
        case.recording.push(Op::Scale(Scale { x: y, by }));
        // Added to something that is not scaled: a norm would hide a factor of everything.
        let one = NormParams { weight: Some(case.vector(x.width, 0.9, 1.1)), ..PLAIN };
        case.recording.push(Op::Norm(Norm { x, group: x.width, norm: one, y, mode: NormMode::Add(1.0) }));
        case.ending_with(y, prompt)
    })
}
