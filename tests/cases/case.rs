//! A recording with random weights, run on the naive engine and on another one.

use std::fmt;

use tabmind::engine::{Batch, CpuEngine, Engine, Gpu, GpuEngine, NaiveEngine, SequenceId, Tiles};
use tabmind::kernels::embed::Embed;
use tabmind::kernels::formats::Format;
use tabmind::kernels::linear::{Epilogue, Linear, Weight};
use tabmind::kernels::logits::Logits;
use tabmind::kernels::norm::NormParams;
use tabmind::recording::{MatrixId, Op, Recording, VectorId, View};
use tabmind::weights::{MatrixPlan, Plan, RowOrder, VectorPlan};

use super::{Check, Subject, Verdict};

/// Rows of embedding tables, and of most outputs.
pub const VOCAB: usize = 13;
pub const CONTEXT: usize = 96;
/// Rounding in another order, relative to the largest logit.
const ROUNDING: f32 = 2e-4;
/// Half precision, relative to a row's or all logits' length.
const HALF: f32 = 4e-3;
/// Rounded activations behind a nonlinearity, relative to all logits' length: what a wrong scale or place would exceed. The
/// products themselves are held to narrower bounds.
const ROUNDED: f32 = 0.25;

pub const PLAIN: NormParams = NormParams { centred: false, eps: 1e-5, weight: None, bias: None };

/// A recording in the making, with random weights of the shapes that its ops ask for, and what is run on it.
pub struct Case {
    pub recording: Recording,
    pub plan: Plan,
    pub matrices: Vec<Vec<u8>>,
    pub vectors: Vec<Vec<f32>>,
    /// Rows of the logits.
    pub vocab: usize,
    /// Tokens that there is room for.
    pub context: usize,
    /// What many tokens are multiplied as on the GPU, where it can.
    tiles: Tiles,
    batches: Vec<Vec<u32>>,
    allowed: Allowed,
    threads: usize,
    seed: u64,
}

/// By how much logits may differ.
enum Allowed {
    /// Relative to the largest.
    Relative(f32),
    /// All of them together, relative to their length as a vector.
    Length(f32),
    /// By row of the output: its length as a vector, and how much of that.
    Rows(Vec<f32>, f32),
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens: Vec<_> = self.batches.iter().map(Vec::len).collect();
        let matrices: Vec<_> =
            self.plan.matrices.iter().map(|m| (m.format, m.order.len(), m.columns)).collect();
        f.debug_struct("Case")
            .field("tokens", &tokens)
            .field("threads", &self.threads)
            .field("matrices", &matrices)
            .field("ops", &self.recording.ops)
            .finish_non_exhaustive()
    }
}

impl Case {
    pub fn new(seed: u64) -> Self {
        Self {
            recording: Recording::default(),
            plan: Plan::default(),
            matrices: vec![],
            vectors: vec![],
            vocab: VOCAB,
            context: CONTEXT,
            tiles: Tiles::Full,
            batches: vec![],
            allowed: Allowed::Relative(ROUNDING),
            threads: 1 + (seed % 3) as usize,
            seed,
        }
    }

    /// The next of a sequence of numbers between 0 and 1 (splitmix64).
    pub fn random(&mut self) -> f32 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }

    pub fn vector(&mut self, len: usize, low: f32, high: f32) -> VectorId {
        let values = (0..len).map(|_| low + (high - low) * self.random()).collect();
        self.vectors.push(values);
        self.plan.vectors.push(VectorPlan { tensor: 0, order: RowOrder::Range { start: 0, len } });
        VectorId(self.vectors.len() - 1)
    }

    pub fn matrix(&mut self, format: Format, rows: usize, columns: usize) -> MatrixId {
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

    pub fn norm_params(&mut self, width: usize, centred: bool, has_bias: bool) -> NormParams {
        NormParams {
            centred,
            eps: 1e-5,
            weight: Some(self.vector(width, 0.5, 1.5)),
            bias: has_bias.then(|| self.vector(width, -0.5, 0.5)),
        }
    }

    /// Rows of an embedding table: where every recording begins.
    pub fn embed(&mut self, format: Format, width: usize) -> View {
        let y = self.recording.buffer(width);
        let table = self.matrix(format, VOCAB, width);
        self.recording.push(Op::Embed(Embed { table, scale: 1.5, y }));
        y
    }

    /// A projection of `x`, to be what a kernel works on.
    pub fn project(&mut self, x: View, width: usize) -> View {
        let y = self.recording.buffer(width);
        let weight = Weight { matrix: self.matrix(Format::F32, width, x.width), bias: None };
        let linear = Linear { x, norm: None, weights: vec![weight], y, epilogue: Epilogue::Store };
        self.recording.push(Op::Linear(linear));
        y
    }

    /// The kernel's result `x` becomes logits, of a prompt, single tokens, and a few more.
    pub fn ending_with(mut self, x: View, prompt: usize) -> Self {
        let weight = Weight { matrix: self.matrix(Format::F32, VOCAB, x.width), bias: None };
        self.recording.push(Op::Logits(Logits { x, norm: PLAIN, weight, scale: 0.7, softcap: Some(9.0) }));
        for tokens in [prompt, 1, 1, prompt.min(9)] {
            let batch = (0..tokens).map(|_| (self.random() * VOCAB as f32) as u32).collect();
            self.batches.push(batch);
        }
        self
    }

    /// Activations are rounded before products in the middle.
    pub fn with_rounded_activations(mut self) -> Self {
        self.allowed = Allowed::Length(ROUNDED);
        self
    }

    /// Activations are rounded on the GPU too.
    pub fn packed(mut self) -> Self {
        self.tiles = Tiles::Packed;
        self
    }

    /// Tokens and weights meet in half precision on the GPU: eleven bits each.
    pub fn half(mut self) -> Self {
        self.tiles = Tiles::Half;
        self.allowed = match self.allowed {
            Allowed::Rows(lengths, _) => Allowed::Rows(lengths, HALF),
            _ => Allowed::Length(HALF),
        };
        self
    }

    /// Activations are larger than half precision can say.
    pub fn huge(mut self) -> Self {
        if let Some(Op::Embed(op)) = self.recording.ops.first_mut() {
            op.scale = 4e5;
        }
        self
    }

    /// Logits are products of `format` and the normalised `x`, of `tokens` tokens. Activations that meet quantised weights are
    /// rounded to 127 steps of the largest in a block, some 3.5, and so are off by 0.008 in the mean square: six times that,
    /// times a row's length, is allowed.
    pub fn ending_with_products(mut self, x: View, format: Format, rows: usize, tokens: usize) -> Self {
        let matrix = self.matrix(format, rows, x.width);
        let weight = Weight { matrix, bias: None };
        self.recording.push(Op::Logits(Logits { x, norm: PLAIN, weight, scale: 1.0, softcap: None }));
        self.vocab = rows;
        self.batches = vec![(0..tokens).map(|_| (self.random() * VOCAB as f32) as u32).collect()];
        let mut row = vec![0.0; x.width];
        let lengths = self.matrices[matrix.0].chunks_exact(format.row_bytes(x.width)).map(|bytes| {
            format.dequantize(bytes, &mut row);
            let length = row.iter().map(|w| w * w).sum::<f32>().sqrt();
            if format.block_len() == 1 { length.max(1.0) } else { length }
        });
        let share = if format.block_len() == 1 { 1e-4 } else { 0.05 };
        self.allowed = Allowed::Rows(lengths.collect(), share);
        self
    }

    /// The recording, for a `broken` engine without the op before the logits, which is the kernel in question, or what it
    /// works on.
    fn recording(&self, broken: bool) -> Recording {
        let mut recording = self.recording.clone();
        if broken {
            recording.ops.remove(recording.ops.len() - 2);
        }
        recording
    }

    /// Gives an engine the weights, and opens a sequence.
    pub async fn fill(&self, engine: &mut impl Engine) -> SequenceId {
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
        engine.open(self.context).await.unwrap()
    }

    pub async fn gpu(&self, broken: bool) -> GpuEngine {
        let mut gpu = Gpu::open().await.unwrap();
        // Each case takes one of the variants.
        let tunings = gpu.tunings().into_iter().filter(|tuning| tuning.tiles == self.tiles);
        let tunings: Vec<_> = tunings.collect();
        if !tunings.is_empty() {
            gpu.tune(tunings[self.seed as usize % tunings.len()]);
        }
        GpuEngine::new(gpu, self.recording(broken), &self.plan, self.vocab).unwrap()
    }

    async fn logits(&self, mut engine: impl Engine) -> Vec<f32> {
        let sequence = self.fill(&mut engine).await;
        let (mut position, mut all) = (0, Vec::new());
        for tokens in &self.batches {
            engine.run(Batch { sequence, tokens, position, first_logits: 0 }).await.unwrap();
            all.extend_from_slice(engine.logits());
            position += tokens.len();
        }
        all
    }

    async fn compare(&self, subject: Subject, broken: bool) -> Result<Vec<f32>, String> {
        let expected = self.logits(NaiveEngine::new(self.recording(false), &self.plan)).await;
        let found = match subject {
            Subject::Cpu => {
                let engine = CpuEngine::new(self.recording(broken), &self.plan, self.threads).unwrap();
                self.logits(engine).await
            }
            Subject::Gpu => self.logits(self.gpu(broken).await).await,
        };
        if found.len() != expected.len() {
            return Err(format!("{} logits instead of {}", found.len(), expected.len()));
        }
        let largest = expected.iter().fold(0.1f32, |a, b| a.max(b.abs()));
        let length = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
        if let Allowed::Length(share) = self.allowed {
            let off = length(&mut found.iter().zip(&expected).map(|(a, b)| a - b));
            let allowed = share * length(&mut expected.iter().copied());
            let is_near = off <= allowed;
            return if is_near { Ok(found) } else { Err(format!("off by {off}; {allowed} is allowed")) };
        }
        for (index, (a, b)) in found.iter().zip(&expected).enumerate() {
            let allowed = match &self.allowed {
                Allowed::Relative(share) | Allowed::Length(share) => share * largest,
                Allowed::Rows(lengths, share) => share * lengths[index % lengths.len()],
            };
            // A NaN is near nothing.
            let is_near = (a - b).abs() <= allowed;
            if !is_near {
                return Err(format!("logit {index}: {a}, the naive twin has {b}; {allowed} is allowed"));
            }
        }
        Ok(found)
    }
}

impl Check for Case {
    fn check(&self, subject: Subject, broken: bool) -> Verdict<'_> {
        Box::pin(self.compare(subject, broken))
    }
}
