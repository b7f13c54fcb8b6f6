//! The CPU engine's kernels against the naive twins: every format, random shapes, odd row counts, one to nine tokens,
//! one to three threads.

mod common;

use pollster::block_on;
use proptest::prelude::*;
use tabmind::engine::{Batch, CpuEngine, Engine, NaiveEngine};
use tabmind::kernels::attention::Attention;
use tabmind::kernels::embed::Embed;
use tabmind::kernels::formats::{Format, Layout};
use tabmind::kernels::linear::{Epilogue, Linear, Weight};
use tabmind::kernels::logits::Logits;
use tabmind::kernels::norm::NormParams;
use tabmind::recording::{CacheShape, MatrixId, Op, Recording, RopeTable};
use tabmind::weights::{MatrixPlan, Plan, RowOrder};

const NORM: NormParams = NormParams { centred: false, eps: 1e-5, weight: None, bias: None };

/// Bytes of a matrix whose weights are below about one in magnitude.
fn random_rows(format: Format, rows: usize, columns: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes: Vec<u8> = (0..rows * format.row_bytes(columns)).map(|_| next() as u8).collect();
    match format.layout() {
        Layout::Plain(..) => {
            let mut number = || (next() % 2001) as f32 / 1000.0 - 1.0;
            for chunk in bytes.chunks_exact_mut(format.row_bytes(columns) / columns) {
                match format {
                    Format::F32 => chunk.copy_from_slice(&number().to_le_bytes()),
                    Format::F16 => chunk.copy_from_slice(&half::f16::from_f32(number()).to_le_bytes()),
                    _ => chunk.copy_from_slice(&half::bf16::from_f32(number()).to_le_bytes()),
                }
            }
        }
        // Every half among the scales becomes small and positive, whatever its place in the block.
        Layout::Quantized(blocks) => {
            for block in bytes.chunks_exact_mut(blocks.bytes) {
                for at in half_offsets(format) {
                    let scale = half::f16::from_f32(0.002 + (next() % 100) as f32 / 20_000.0);
                    block[*at..at + 2].copy_from_slice(&scale.to_le_bytes());
                }
            }
        }
    }
    bytes
}

/// Where a block's 16-bit scales are.
fn half_offsets(format: Format) -> &'static [usize] {
    match format {
        Format::Q4_1 | Format::Q5_1 | Format::Q4_K | Format::Q5_K => &[0, 2],
        Format::Q4_0 | Format::Q5_0 | Format::Q8_0 => &[0],
        Format::Q2_K => &[80, 82],
        Format::Q3_K => &[108],
        Format::Q6_K => &[208],
        _ => &[],
    }
}

fn matrix(format: Format, rows: usize, columns: usize) -> MatrixPlan {
    MatrixPlan { tensor: 0, order: RowOrder::Range { start: 0, len: rows }, columns, format }
}

/// Logits of `tokens` on an engine whose matrices hold `weights`.
fn run<E: Engine>(mut engine: E, weights: &[Vec<u8>], tokens: &[u32], first_logits: usize) -> Vec<f32> {
    for (id, bytes) in weights.iter().enumerate() {
        engine.rows(MatrixId(id), 0, bytes).unwrap();
    }
    let sequence = engine.open(tokens.len()).unwrap();
    let batch = Batch { sequence, tokens, position: 0, first_logits };
    block_on(engine.run(batch)).unwrap();
    engine.logits().to_vec()
}

/// By how much a row's product with a normalised input may be off. Activations rounded to 127 steps of the largest in a
/// block, some 3.5, are off by 0.008 in the mean square: six times that, times the row's length.
fn tolerance(format: Format, row: &[f32]) -> f32 {
    let length = row.iter().map(|w| w * w).sum::<f32>().sqrt();
    if matches!(format.layout(), Layout::Plain(..)) { 1e-4 * length.max(1.0) } else { 0.05 * length }
}

/// The rows of a matrix as f32.
fn dequantized(format: Format, bytes: &[u8], columns: usize) -> Vec<Vec<f32>> {
    let row = |bytes: &[u8]| {
        let mut row = vec![0.0; columns];
        format.dequantize(bytes, &mut row);
        row
    };
    bytes.chunks_exact(format.row_bytes(columns)).map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(common::soak(40)))]

    /// `logits = W · norm(embedding)`.
    #[test]
    fn projections_are_those_of_the_twin(
        format in prop::sample::select(Format::ALL),
        rows in 1usize..70,
        blocks in 1usize..4,
        tokens in 1usize..10,
        threads in 1usize..4,
        seed in any::<u64>(),
    ) {
        let unit = match format.layout() { Layout::Quantized(layout) => layout.len, Layout::Plain(..) => 24 };
        let columns = blocks * unit;
        let mut recording = Recording::default();
        let x = recording.buffer(columns);
        recording.push(Op::Embed(Embed { table: MatrixId(0), scale: 1.0, y: x }));
        let weight = Weight { matrix: MatrixId(1), bias: None };
        recording.push(Op::Logits(Logits { x, norm: NORM, weight, scale: 1.0, softcap: None }));
        let plan = Plan { matrices: vec![matrix(Format::F32, 10, columns), matrix(format, rows, columns)], vectors: vec![] };
        let weights = [random_rows(Format::F32, 10, columns, seed), random_rows(format, rows, columns, seed ^ 1)];
        let ids: Vec<u32> = (0..tokens as u32).collect();
        let expected = run(NaiveEngine::new(recording.clone(), &plan), &weights, &ids, 0);
        let found = run(CpuEngine::new(recording, &plan, threads).unwrap(), &weights, &ids, 0);
        prop_assert_eq!(found.len(), tokens * rows);
        let dense = dequantized(format, &weights[1], columns);
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let allowed = tolerance(format, &dense[i % rows]);
            prop_assert!((found - expected).abs() <= allowed, "{:?}: {} is {}, not {}", format, i, found, expected);
        }
    }

    /// A whole layer of attention, its cache plain or in 8 bits.
    #[test]
    fn attention_is_that_of_the_twin(
        quantized in any::<bool>(),
        kv_heads in 1usize..4,
        sharing in 1usize..6,
        halves in 16usize..40,
        tokens in 1usize..75,
        window in prop::option::of(1usize..50),
        softcap in prop::option::of(5.0f32..50.0),
        threads in 1usize..4,
        seed in any::<u64>(),
    ) {
        let (hidden, dim, heads) = (32, 2 * halves, kv_heads * sharing);
        let mut recording = Recording::default();
        let (x, y) = (recording.buffer(hidden), recording.buffer(heads * dim));
        let all = recording.buffer((heads + 2 * kv_heads) * dim);
        recording.ropes.push(RopeTable { frequencies: (0..halves).map(|i| 0.7f64.powi(i as i32)).collect(), scale: 1.0 });
        let cache = recording.cache(CacheShape { heads: kv_heads, key_width: kv_heads * dim, value_width: kv_heads * dim });
        let weight = |matrix| Weight { matrix: MatrixId(matrix), bias: None };
        recording.push(Op::Embed(Embed { table: MatrixId(0), scale: 1.0, y: x }));
        let linear = Linear { x, norm: Some(NORM), weights: vec![weight(1)], y: all, epilogue: Epilogue::Store };
        recording.push(Op::Linear(linear));
        let (k, v) = (all.slice(heads * dim, kv_heads * dim), all.slice((heads + kv_heads) * dim, kv_heads * dim));
        recording.push(Op::Attention(Attention {
            q: all.slice(0, heads * dim), kv: Some((k, v)), y, gate: None, cache, heads, kv_heads,
            key_dim: dim, value_dim: dim, q_norm: Some(NORM), k_norm: Some(NORM), v_norm: None, rope: Some(0),
            scale: 1.0 / (dim as f32).sqrt(), softcap, window, temperature: None,
        }));
        recording.push(Op::Logits(Logits { x: y, norm: NORM, weight: weight(2), scale: 1.0, softcap: None }));
        // The cache follows the weights; the projection's own rounding stays out of it, and the last one is small.
        let last = if quantized { Format::Q8_0 } else { Format::F32 };
        let plan = Plan {
            matrices: vec![matrix(Format::F32, 80, hidden), matrix(Format::F32, all.width, hidden), matrix(last, 5, heads * dim)],
            vectors: vec![],
        };
        prop_assume!(!quantized || (heads * dim).is_multiple_of(32));
        let weights: Vec<Vec<u8>> = plan.matrices.iter().zip(seed..)
            .map(|(m, seed)| random_rows(m.format, m.order.len(), m.columns, seed)).collect();
        let ids: Vec<u32> = (0..tokens as u32).collect();
        let expected = run(NaiveEngine::new(recording.clone(), &plan), &weights, &ids, 0);
        let found = run(CpuEngine::new(recording, &plan, threads).unwrap(), &weights, &ids, 0);
        let dense = dequantized(last, &weights[2], heads * dim);
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let allowed = if quantized { tolerance(last, &dense[i % 5]) } else { 2e-3 };
            prop_assert!((found - expected).abs() <= allowed, "{}: {} is not {}", i, found, expected);
        }
    }
}
