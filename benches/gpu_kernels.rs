//! What the GPU's products and attention cost, by shape, format and way to compute, on whatever Vulkan adapter there is:
//! `cargo bench --profile dev --bench gpu_kernels -- [WORD]...` measures those whose line holds every word.

#[path = "gpu_kernels/bandwidth.rs"]
mod bandwidth;

use std::hint::black_box;
use std::time::{Duration, Instant};

use pollster::block_on;
use tabmind::engine::{Batch, Engine, Gpu, GpuEngine, Tiles, Tuning, WeightSink};
use tabmind::kernels::attention::Attention;
use tabmind::kernels::embed::Embed;
use tabmind::kernels::formats::Format;
use tabmind::kernels::linear::{Epilogue, Linear, Weight};
use tabmind::kernels::logits::Logits;
use tabmind::kernels::norm::NormParams;
use tabmind::recording::{CacheShape, MatrixId, Op, Recording, View};
use tabmind::weights::{MatrixPlan, Plan, RowOrder};

const FORMATS: [Format; 4] = [Format::Q4_0, Format::Q8_0, Format::Q4_K, Format::F16];
/// Name, rows and columns: products of a model of 360 million weights.
const SHAPES: [(&str, usize, usize); 3] =
    [("qkv", 1600, 1024), ("gate_up", 5120, 1024), ("down", 1024, 2560)];
const TOKENS: [usize; 4] = [1, 4, 32, 128];
/// Query heads, key-value heads and their dimensions; tokens, and the position of the first.
const HEADS: [(usize, usize, usize); 2] = [(32, 8, 64), (9, 3, 64)];
const PLACES: [(usize, usize); 5] = [(1, 0), (1, 255), (1, 1000), (1, 4000), (64, 448)];
/// Times that a kernel is in a recording: enough that the rest of a run does not count.
const REPEATS: usize = 8;
/// How long one line is measured, at least.
const SPAN: Duration = Duration::from_millis(600);
const NORM: NormParams = NormParams { centred: false, eps: 1e-5, weight: None, bias: None };

/// A kernel, many times over.
struct Subject {
    recording: Recording,
    plan: Plan,
}

impl Subject {
    /// A product of a matrix of `rows` × `columns`.
    fn product(format: Format, rows: usize, columns: usize, repeats: usize) -> Self {
        let mut subject = Self::beginning(columns);
        let (x, y) = (subject.x(), subject.recording.buffer(rows));
        let matrix = subject.matrix(rows, columns, format);
        let weights = vec![Weight { matrix, bias: None }];
        let op = Op::Linear(Linear { x, norm: None, weights, y, epilogue: Epilogue::Store });
        subject.ending(&op, repeats)
    }

    /// Attention of so many query and key-value heads of `dim` dimensions.
    fn attention((heads, kv_heads, dim): (usize, usize, usize), repeats: usize) -> Self {
        let (q, kv) = (heads * dim, kv_heads * dim);
        let mut subject = Self::beginning(q + 2 * kv);
        let x = subject.x();
        let cache = subject.recording.cache(CacheShape { heads: kv_heads, key_width: kv, value_width: kv });
        let op = Op::Attention(Attention {
            q: x.slice(0, q),
            kv: Some((x.slice(q, kv), x.slice(q + kv, kv))),
            y: subject.recording.buffer(q),
            gate: None,
            cache,
            heads,
            kv_heads,
            key_dim: dim,
            value_dim: dim,
            q_norm: None,
            k_norm: None,
            v_norm: None,
            rope: None,
            scale: 0.1,
            softcap: None,
            window: None,
            temperature: None,
        });
        subject.ending(&op, repeats)
    }

    fn beginning(columns: usize) -> Self {
        let mut subject = Self { recording: Recording::default(), plan: Plan::default() };
        let y = subject.recording.buffer(columns);
        let table = subject.matrix(1, columns, Format::F32);
        subject.recording.push(Op::Embed(Embed { table, scale: 1.0, y }));
        subject
    }

    /// What the kernel works on.
    fn x(&self) -> View {
        match self.recording.ops.first() {
            Some(Op::Embed(op)) => op.y,
            _ => unreachable!("every recording begins so"),
        }
    }

    fn matrix(&mut self, rows: usize, columns: usize, format: Format) -> MatrixId {
        let order = RowOrder::Range { start: 0, len: rows };
        self.plan.matrices.push(MatrixPlan { tensor: 0, order, columns, format });
        MatrixId(self.plan.matrices.len() - 1)
    }

    fn ending(mut self, op: &Op, repeats: usize) -> Self {
        (0..repeats).for_each(|_| self.recording.push(op.clone()));
        let x = self.x();
        let weight = Weight { matrix: self.matrix(1, x.width, Format::F32), bias: None };
        self.recording.push(Op::Logits(Logits { x, norm: NORM, weight, scale: 1.0, softcap: None }));
        self
    }

    /// An engine with all weights zero, which take as long as others.
    fn engine(&self, gpu: Gpu) -> GpuEngine {
        let mut engine = GpuEngine::new(gpu, self.recording.clone(), &self.plan, 1).unwrap();
        for (index, matrix) in self.plan.matrices.iter().enumerate() {
            let bytes = vec![0; matrix.order.len() * matrix.format.row_bytes(matrix.columns)];
            engine.rows(MatrixId(index), 0, &bytes).unwrap();
        }
        engine
    }
}

/// Seconds of a run of `tokens` tokens from `position` on.
fn seconds(engine: &mut GpuEngine, tokens: usize, position: usize) -> f64 {
    let sequence = block_on(engine.open(position + tokens)).unwrap();
    let tokens = vec![0; tokens];
    let first_logits = tokens.len() - 1;
    let mut run =
        || block_on(engine.run(Batch { sequence, tokens: &tokens, position, first_logits })).unwrap();
    run();
    let (start, mut runs) = (Instant::now(), 0);
    while runs < 2 || start.elapsed() < SPAN {
        run();
        runs += 1;
    }
    let seconds = start.elapsed().as_secs_f64() / f64::from(runs);
    black_box(engine.logits());
    engine.close(sequence);
    seconds
}

/// Seconds that a kernel takes each time.
fn measure(
    mut gpu: Gpu,
    subject: impl Fn(usize) -> Subject,
    (tokens, position): (usize, usize),
) -> (Gpu, f64) {
    let mut times = [0.0; 2];
    for (time, repeats) in times.iter_mut().zip([0, REPEATS]) {
        let mut engine = subject(repeats).engine(gpu);
        *time = seconds(&mut engine, tokens, position);
        gpu = engine.dismantle();
    }
    (gpu, (times[1] - times[0]) / REPEATS as f64)
}

/// What matters of the ways to compute products of so many tokens.
fn ways(tunings: Vec<Tuning>, tokens: usize) -> Vec<Tuning> {
    let mut ways: Vec<Tuning> = Vec::new();
    for tuning in tunings {
        let is_like =
            |way: &Tuning| if tokens > 8 { way.tiles == tuning.tiles } else { way.decodes_like(tuning) };
        if !ways.iter().any(is_like) {
            ways.push(tuning);
        }
    }
    ways
}

fn way(tuning: Tuning, tokens: usize) -> String {
    if tokens > 8 {
        return match tuning.tiles {
            Tiles::Full => "tiles",
            Tiles::Half => "half tiles",
            Tiles::Packed => "packed tiles",
        }
        .into();
    }
    let sums = tuning.subgroup.map_or(String::new(), |lanes| format!(", subgroups of {lanes}"));
    let packed = if tuning.packed_dot { ", packed dot" } else { "" };
    format!("{} rows{packed}{sums}", tuning.rows)
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let mut gpu = block_on(Gpu::open()).unwrap();
    let bandwidth = bandwidth::measured();
    println!("{}, which reads {:.1} GB/s", gpu.adapter().name, bandwidth / 1e9);
    println!(
        "| kernel | format | tokens | way | ms | MB | GB/s | of the bandwidth | GFLOP/s |\n|---|---|---|---|---|---|---|---|---|"
    );
    // Bytes that have to be read and written, and how fast that was.
    let moved = |bytes: f64, time: f64| {
        let share = 1e2 * bytes / time / bandwidth;
        format!("{:.3} | {:.2} | {:.2} | {share:.1} %", 1e3 * time, bytes / 1e6, bytes / time / 1e9)
    };
    for (name, rows, columns) in SHAPES {
        for format in FORMATS {
            for tokens in TOKENS {
                for tuning in ways(gpu.tunings(), tokens) {
                    let head = format!(
                        "| {name} {rows}×{columns} | {format:?} | {tokens} | {} |",
                        way(tuning, tokens)
                    );
                    if !words.iter().all(|word| head.contains(word)) {
                        continue;
                    }
                    gpu.tune(tuning);
                    let subject = |repeats| Subject::product(format, rows, columns, repeats);
                    let time;
                    (gpu, time) = measure(gpu, subject, (tokens, 0));
                    let bytes = (rows * format.row_bytes(columns) + 4 * tokens * (rows + columns)) as f64;
                    let work = (2 * tokens * rows * columns) as f64;
                    println!("{head} {} | {:.2} |", moved(bytes, time), work / time / 1e9);
                }
            }
        }
    }
    for (heads, kv_heads, dim) in HEADS {
        for (tokens, position) in PLACES {
            let head = format!("| attention {heads}/{kv_heads}×{dim} at {position} | F32 | {tokens} |");
            if !words.iter().all(|word| head.contains(word)) {
                continue;
            }
            gpu.tune(gpu.tunings()[0]);
            let time;
            (gpu, time) = measure(
                gpu,
                |repeats| Subject::attention((heads, kv_heads, dim), repeats),
                (tokens, position),
            );
            let bytes = (8 * (position + tokens) * kv_heads * dim) as f64;
            println!("{head} {} | {} | |", way(gpu.tuning(), 1), moved(bytes, time));
        }
    }
}
