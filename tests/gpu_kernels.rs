//! Every WGSL kernel against its naive twin: small recordings with random shapes and weights, on both engines.

mod common;
#[path = "common/gpu.rs"]
mod gpu;

use pollster::block_on;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tabmind::engine::{Batch, Engine, GpuEngine, NaiveEngine, Pick, SequenceId};
use tabmind::kernels::activation::Activation;
use tabmind::kernels::attention::{Attention, QueryTemperature};
use tabmind::kernels::delta_net::DeltaNet;
use tabmind::kernels::draw::Draw;
use tabmind::kernels::embed::Embed;
use tabmind::kernels::experts::{Experts, Gating};
use tabmind::kernels::formats::Format;
use tabmind::kernels::linear::{Epilogue, Linear, Weight};
use tabmind::kernels::logits::Logits;
use tabmind::kernels::norm::{Norm, NormMode, NormParams};
use tabmind::kernels::scale::Scale;
use tabmind::kernels::short_conv::ShortConv;
use tabmind::recording::{CacheShape, MatrixId, Op, Recording, RopeTable, VectorId, View};
use tabmind::weights::{MatrixPlan, Plan, RowOrder, VectorPlan};

const VOCAB: usize = 13;
const CONTEXT: usize = 96;
/// Rounding in another order, relative to the largest logit.
const TOLERANCE: f32 = 2e-4;

/// A recording in the making, with random weights of the shapes that its ops ask for.
struct Case {
    recording: Recording,
    plan: Plan,
    seed: u64,
    matrices: Vec<Vec<u8>>,
    vectors: Vec<Vec<f32>>,
}

impl Case {
    fn new(seed: u64) -> Self {
        Self {
            recording: Recording::default(),
            plan: Plan::default(),
            seed,
            matrices: vec![],
            vectors: vec![],
        }
    }

    /// The next of a sequence of numbers between 0 and 1 (splitmix64).
    fn random(&mut self) -> f32 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }

    fn vector(&mut self, len: usize, low: f32, high: f32) -> VectorId {
        let values = (0..len).map(|_| low + (high - low) * self.random()).collect();
        self.vectors.push(values);
        self.plan.vectors.push(VectorPlan { tensor: 0, order: RowOrder::Range { start: 0, len } });
        VectorId(self.vectors.len() - 1)
    }

    fn matrix(&mut self, format: Format, rows: usize, columns: usize) -> MatrixId {
        let mut bytes = Vec::new();
        for _ in 0..rows * columns / format.block_len() {
            bytes.extend(self.block(format));
        }
        self.matrices.push(bytes);
        let order = RowOrder::Range { start: 0, len: rows };
        self.plan.matrices.push(MatrixPlan { tensor: 0, order, columns, format });
        MatrixId(self.matrices.len() - 1)
    }

    /// A block of random bits whose 16-bit scales are small numbers.
    fn block(&mut self, format: Format) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..format.block_bytes()).map(|_| (self.random() * 256.0) as u8).collect();
        let small = |value: f32| ((value.to_bits() >> 13) as u16 - (112 << 10)).to_le_bytes();
        let scale = small(0.004 + 0.004 * self.random());
        match format {
            Format::F32 => return (self.random() - 0.5).to_le_bytes().to_vec(),
            Format::F16 => return small(0.25 + 0.5 * self.random()).to_vec(),
            Format::BF16 => return (self.random() - 0.5).to_le_bytes()[2..].to_vec(),
            Format::Q3_K => bytes[108..110].copy_from_slice(&scale),
            Format::Q6_K => bytes[208..210].copy_from_slice(&small(0.0001 + 0.0001 * self.random())),
            Format::Q2_K => {
                bytes[80..82].copy_from_slice(&scale);
                bytes[82..84].copy_from_slice(&scale);
            }
            Format::Q4_K | Format::Q5_K => {
                let scale = small(0.0005);
                bytes[..2].copy_from_slice(&scale);
                bytes[2..4].copy_from_slice(&scale);
            }
            Format::Q4_1 | Format::Q5_1 => {
                bytes[..2].copy_from_slice(&scale);
                bytes[2..4].copy_from_slice(&scale);
            }
            Format::Q4_0 | Format::Q5_0 | Format::Q8_0 => bytes[..2].copy_from_slice(&scale),
        }
        bytes
    }

    /// Rows of an embedding table: where every recording begins.
    fn embed(&mut self, format: Format, width: usize) -> View {
        let y = self.recording.buffer(width);
        let table = self.matrix(format, VOCAB, width);
        self.recording.push(Op::Embed(Embed { table, scale: 1.5, y }));
        y
    }

    /// A projection of `x`, to be what a kernel works on.
    fn project(&mut self, x: View, width: usize) -> View {
        let y = self.recording.buffer(width);
        let weight = Weight { matrix: self.matrix(Format::F32, width, x.width), bias: None };
        let linear = Linear { x, norm: None, weights: vec![weight], y, epilogue: Epilogue::Store };
        self.recording.push(Op::Linear(linear));
        y
    }

    fn logits(&mut self, x: View, norm: NormParams) {
        let weight = Weight { matrix: self.matrix(Format::F32, VOCAB, x.width), bias: None };
        self.recording.push(Op::Logits(Logits { x, norm, weight, scale: 0.7, softcap: Some(9.0) }));
    }

    /// Gives an engine the weights, and opens a sequence.
    fn fill(&self, engine: &mut impl Engine) -> SequenceId {
        for (index, bytes) in self.matrices.iter().enumerate() {
            let matrix = &self.plan.matrices[index];
            // In two pieces, the second one first.
            let half = matrix.order.len() / 2;
            let (first, second) = bytes.split_at(half * matrix.format.row_bytes(matrix.columns));
            engine.rows(MatrixId(index), half, second).unwrap();
            engine.rows(MatrixId(index), 0, first).unwrap();
        }
        for (index, values) in self.vectors.iter().enumerate() {
            engine.vector(VectorId(index), values.clone());
        }
        engine.open(CONTEXT).unwrap()
    }

    fn pick(&self, mut engine: impl Engine, pick: Pick) -> Option<u32> {
        let sequence = self.fill(&mut engine);
        let batch = Batch { sequence, tokens: &[1, 2, 3], position: 0, first_logits: 2 };
        block_on(engine.run_to_pick(batch, pick, &mut Vec::new())).unwrap()
    }

    fn engine(&self, mut engine: impl Engine, batches: &[Vec<u32>]) -> Vec<f32> {
        let sequence = self.fill(&mut engine);
        let (mut position, mut all) = (0, Vec::new());
        for tokens in batches {
            block_on(engine.run(Batch { sequence, tokens, position, first_logits: 0 })).unwrap();
            all.extend_from_slice(engine.logits());
            position += tokens.len();
        }
        all
    }

    /// Runs both engines on the same batches: a prompt, and single tokens after it.
    fn check(mut self, x: View, norm: NormParams, prompt: usize) -> Result<(), TestCaseError> {
        self.logits(x, norm);
        let batches = [prompt, 1, 1, prompt.min(9)];
        let batches: Vec<Vec<u32>> = batches
            .iter()
            .map(|&n| (0..n).map(|_| (self.random() * VOCAB as f32) as u32).collect())
            .collect();
        let expected = self.engine(NaiveEngine::new(self.recording.clone(), &self.plan), &batches);
        let gpu = block_on(GpuEngine::new(self.recording.clone(), &self.plan, VOCAB)).unwrap();
        let found = self.engine(gpu, &batches);
        prop_assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(0.1f32, |a, b| a.max(b.abs()));
        for (index, (a, b)) in found.iter().zip(&expected).enumerate() {
            prop_assert!((a - b).abs() <= TOLERANCE * largest, "logit {index}: {a}, the naive twin has {b}");
        }
        Ok(())
    }

    fn norm_params(&mut self, width: usize, centred: bool, has_bias: bool) -> NormParams {
        NormParams {
            centred,
            eps: 1e-5,
            weight: Some(self.vector(width, 0.5, 1.5)),
            bias: has_bias.then(|| self.vector(width, -0.5, 0.5)),
        }
    }
}

const PLAIN: NormParams = NormParams { centred: false, eps: 1e-5, weight: None, bias: None };

fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    if gpu::is_there() {
        let config = Config { failure_persistence: None, ..Config::with_cases(common::soak(cases)) };
        TestRunner::new(config).run(&strategy, test).unwrap();
    }
}

/// Projections of every format: odd numbers of rows, several matrices, every epilogue, norms folded or not.
#[test]
fn projections() {
    for &format in Format::ALL {
        let columns = (1usize..6).prop_map(move |blocks| match format.block_len() {
            1 => 4 * blocks * 11 + 3,
            256 => 256 * blocks.div_ceil(3),
            len => len * blocks,
        });
        // Up to 8 tokens, and tiles of 32 tokens and 64 rows.
        let prompt = prop_oneof![1usize..9, 9usize..70];
        let shape = (columns, 1usize..90, 1usize..4, prompt);
        check(3, (shape, 0usize..6, 0usize..4, any::<u64>()), |(shape, epilogue, norm, seed)| {
            projection(format, shape, epilogue, norm, seed)
        });
    }
}

fn projection(
    format: Format,
    (columns, rows, matrices, prompt): (usize, usize, usize, usize),
    epilogue: usize,
    norm: usize,
    seed: u64,
) -> Result<(), TestCaseError> {
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
    let other = if columns.is_multiple_of(32) && seed.is_multiple_of(3) { Format::Q8_0 } else { format };
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
    case.check(y, PLAIN, prompt)
}

#[test]
fn attention() {
    let heads = (1usize..4, 1usize..4, 1usize..6, 1usize..70);
    let options = (any::<[bool; 6]>(), 1usize..80, any::<u64>());
    check(16, (heads, options), |((kv_heads, group, pairs, value_dim), (flags, prompt, seed))| {
        let [norm, rope, gate, softcap, window, temperature] = flags;
        let mut case = Case::new(seed);
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
            window: window.then_some(5),
            temperature: temperature.then_some(QueryTemperature { factor: 0.3, length: 4 }),
        }));
        case.check(y, PLAIN, prompt.min(CONTEXT - 12))
    });
}

#[test]
fn norms_and_scale() {
    let shape = (1usize..90, 1usize..5, 1usize..10);
    check(12, (shape, any::<[bool; 3]>(), any::<u64>()), |((group, groups, prompt), flags, seed)| {
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
        case.check(y, PLAIN, prompt)
    });
}

#[test]
fn short_convolutions() {
    let shape = (1usize..70, 2usize..5, 1usize..10);
    check(8, (shape, any::<u64>()), |((channels, taps, prompt), seed)| {
        let mut case = Case::new(seed);
        let x = case.embed(Format::F32, 20);
        let bcx = case.project(x, 3 * channels);
        let y = case.recording.buffer(channels);
        let kernel = case.vector(channels * taps, -1.0, 1.0);
        let state = case.recording.state((taps - 1) * channels);
        case.recording.push(Op::ShortConv(ShortConv { bcx, kernel, taps, state, y }));
        case.check(y, PLAIN, prompt)
    });
}

#[test]
fn delta_nets() {
    let shape = (1usize..3, 1usize..3, 1usize..20, 1usize..70, 1usize..8);
    check(8, (shape, any::<u64>()), |((key_heads, per_key, key_dim, value_dim, prompt), seed)| {
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
        case.check(y, PLAIN, prompt)
    });
}

#[test]
fn experts() {
    let shape = (1usize..7, 1usize..3, 1usize..3, 1usize..12);
    check(8, (shape, any::<[bool; 3]>(), any::<u64>()), |((count, width, hidden, prompt), flags, seed)| {
        let [softmax, renormalise, biased] = flags;
        let (width, hidden) = (32 * width, 32 * hidden);
        let mut case = Case::new(seed);
        let x = case.embed(Format::F32, hidden);
        let scores = case.project(x, count);
        let y = case.project(x, hidden);
        let op = Experts {
            x,
            scores,
            gate: case.matrix(Format::Q4_0, count * width, hidden),
            up: case.matrix(Format::Q8_0, count * width, hidden),
            down: case.matrix(Format::Q5_1, count * hidden, width),
            width,
            used: count.div_ceil(2),
            gating: if softmax { Gating::Softmax } else { Gating::Sigmoid },
            selection_bias: biased.then(|| case.vector(count, -1.0, 1.0)),
            renormalise,
            activation: Activation::Silu,
            scale: 1.2,
            y,
        };
        case.recording.push(Op::Experts(op));
        case.check(y, PLAIN, prompt)
    });
}

impl Case {
    /// Logits of `vocab` whole numbers from -2 to 2: many are equal, and no engine rounds. The second result is they.
    fn whole_logits(&mut self, vocab: usize) -> (MatrixId, Vec<f32>) {
        let x = self.embed(Format::F32, 4);
        let rows: Vec<f32> = (0..4 * vocab).map(|_| (self.random() * 5.0).floor() - 2.0).collect();
        let output = self.matrix(Format::F32, vocab, 4);
        self.matrices[output.0] = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
        // Small whole numbers, whose norm is 1: sums are exact in any order, and the norm rounds nothing.
        let hidden = [1.0f32, -1.0, 1.0, 1.0];
        self.matrices[0] = hidden.repeat(VOCAB).into_iter().flat_map(f32::to_le_bytes).collect();
        let weight = Weight { matrix: output, bias: None };
        let norm = NormParams { eps: 0.0, ..PLAIN };
        self.recording.push(Op::Logits(Logits { x, norm, weight, scale: 1.0, softcap: None }));
        let logit = |row: &[f32]| row.iter().zip(hidden).map(|(a, b)| a * b).sum();
        (output, rows.chunks_exact(4).map(logit).collect())
    }
}

/// The likeliest of a vocabulary of any size, with equals among them; and nothing where a logit is no number.
#[test]
fn the_likeliest_token() {
    check(10, (1usize..1500, 0usize..6, any::<u64>()), |(vocab, broken, seed)| {
        let mut case = Case::new(seed);
        let (output, _) = case.whole_logits(vocab);
        if let Some(value) = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].get(broken) {
            let at = 16 * (seed as usize % vocab);
            case.matrices[output.0][at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        let naive = NaiveEngine::new(case.recording.clone(), &case.plan);
        let expected = case.pick(naive, Pick::Likeliest);
        let gpu = block_on(GpuEngine::new(case.recording.clone(), &case.plan, vocab)).unwrap();
        prop_assert_eq!(case.pick(gpu, Pick::Likeliest), expected);
        prop_assert_eq!(expected.is_none(), broken < 3);
        Ok(())
    });
}

/// Tokens drawn with every filter, on its own and with others. Sums run in another order than the twin's: a draw that
/// falls this close to the edge of a token, or of what top-p keeps, may end on its other side.
#[test]
fn a_drawn_token() {
    const CLOSE: f32 = 1e-5;
    let filters = (
        prop_oneof![Just(0usize), 1usize..40],
        prop_oneof![Just(0.0f32), 0.0f32..0.6],
        prop_oneof![Just(1.0f32), 0.0f32..1.0],
    );
    let draws = proptest::collection::vec((filters, 0.2f32..3.0, 0.0f32..1.0), 12);
    check(10, (1usize..1500, draws, any::<u64>()), |(vocab, draws, seed)| {
        let mut case = Case::new(seed);
        let (_, logits) = case.whole_logits(vocab);
        let mut gpu = block_on(GpuEngine::new(case.recording.clone(), &case.plan, vocab)).unwrap();
        let sequence = case.fill(&mut gpu);
        for ((top_k, min_p, top_p), temperature, fraction) in draws {
            let draw = Draw { temperature, top_k, min_p, top_p, fraction };
            let batch = Batch { sequence, tokens: &[1, 2, 3], position: 0, first_logits: 2 };
            let found =
                block_on(gpu.run_to_pick(batch, Pick::Drawn(draw), &mut Vec::new())).unwrap().unwrap();
            let is_allowed = [0.0, -CLOSE, CLOSE].into_iter().any(|off| {
                let top_p = if top_p < 1.0 { top_p + off } else { top_p };
                let id = |off| Draw { top_p, fraction: fraction + off, ..draw }.id(&logits, &mut Vec::new());
                (id(-CLOSE)..=id(CLOSE)).contains(&found)
            });
            prop_assert!(is_allowed, "{found} for {draw:?}");
        }
        Ok(())
    });
}
