//! WebGPU: the recording as a list of compute dispatches, made once and encoded into one pass per run.
//! The same kernels run natively on Vulkan, for tests.

/// A kernel's text, as the build script left it.
macro_rules! wgsl {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $name, ".wgsl"))
    };
}

mod arena;
mod attention;
mod device;
mod linear;
mod planes;
mod program;
mod recurrent;
mod sequence;
mod shaders;
mod stores;
mod vectors;

use self::arena::{Arena, Place};
pub use self::device::Adapter;
use self::device::Device;
use self::program::{Grid, NONE, Programmer, Step};
use self::sequence::Sequence;
use self::shaders::{Shaders, bind};
use self::stores::Stores;
use self::vectors::{Vectors, rope_table};
use super::{Batch, Engine, Pick, SequenceId, WeightSink, keep};
use crate::error::{Result, bail};
use crate::kernels::formats::Format;
use crate::kernels::norm::NormMode;
use crate::recording::{MatrixId, Op, Recording, VectorId, View};
use crate::weights::Plan;

/// Runs recordings on a GPU.
pub struct GpuEngine {
    device: Device,
    recording: Recording,
    formats: Vec<Format>,
    vocab: usize,
    arena: Arena,
    stores: Stores,
    vectors: Vectors,
    shaders: Shaders,
    /// What one token's run dispatches, and what several do.
    single: Vec<Step>,
    several: Vec<Step>,
    /// What chooses the likeliest token, and what then draws one.
    likeliest: Vec<Step>,
    drawn: Vec<Step>,
    acts: wgpu::Buffer,
    vector_buffer: wgpu::Buffer,
    run: wgpu::Buffer,
    ids: wgpu::Buffer,
    /// What results are copied to.
    staging: wgpu::Buffer,
    /// Group 0.
    shared: wgpu::BindGroup,
    sequences: Vec<Option<Sequence>>,
    logits: Vec<f32>,
    /// Tokens of the last run.
    last: usize,
    cost: RunCost,
}

/// What is read of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Nothing,
    /// Logits of all wanted tokens.
    Logits,
    /// The token to follow the only wanted one.
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

impl GpuEngine {
    /// An engine for `recording`, with room for the weights in `plan`.
    ///
    /// # Errors
    /// `webgpu_unavailable`, `out_of_memory`; `self_test_failed` for a kernel that the driver refuses
    pub async fn new(recording: Recording, plan: &Plan, vocab: usize) -> Result<Self> {
        let device = Device::open().await?;
        let mut shaders = Shaders::new(&device.wgpu);
        let arena = Arena::new(&device, &recording, vocab)?;
        let vectors = Vectors::new(&recording, plan);
        let stores = Stores::new(&device, &recording, plan)?;
        let mut program = |single| {
            let mut programmer = Programmer::new(&device, &mut shaders, (&arena, &vectors, &stores), single);
            recording.ops.iter().try_for_each(|op| record(&mut programmer, op))?;
            Ok(programmer.finish())
        };
        let (single, several) = (program(true)?, program(false)?);
        let mut choice = |label, source| {
            let mut programmer = Programmer::new(&device, &mut shaders, (&arena, &vectors, &stores), true);
            programmer.choice(label, source, vocab)?;
            Ok(programmer.finish())
        };
        let likeliest = choice("argmax", wgsl!("argmax"))?;
        let drawn = choice("draw", wgsl!("draw"))?;
        let acts = device.buffer("activations", arena.bytes());
        let vector_buffer = device.buffer("vectors", vectors.len() * 4);
        for (index, rope) in recording.ropes.iter().enumerate() {
            let table = rope_table(rope);
            device.queue.write_buffer(
                &vector_buffer,
                vectors.rope(index) as u64 * 4,
                bytemuck::cast_slice(&table),
            );
        }
        let run = device.buffer_for(
            "run",
            size_of::<RunWords>(),
            wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        );
        let ids = device.buffer("ids", arena.tokens * 4);
        let staging_usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = device.buffer_for("staging", arena.logits_rows * vocab * 4, staging_usage);
        let resources = [&acts, &vector_buffer, &run, &ids].map(wgpu::Buffer::as_entire_binding);
        let shared = bind(&device, &shaders.run, &resources);
        device.check()?;
        Ok(Self {
            formats: plan.matrices.iter().map(|matrix| matrix.format).collect(),
            device,
            recording,
            vocab,
            arena,
            stores,
            vectors,
            shaders,
            single,
            several,
            likeliest,
            drawn,
            acts,
            vector_buffer,
            run,
            ids,
            staging,
            shared,
            sequences: Vec::new(),
            logits: Vec::new(),
            last: 0,
            cost: RunCost::default(),
        })
    }

    /// What executes the kernels.
    pub fn adapter(&self) -> &Adapter {
        &self.device.adapter
    }

    /// Whether the device still works.
    ///
    /// # Errors
    /// What it failed with.
    pub fn check(&self) -> Result<()> {
        self.device.check()
    }

    /// Bytes of all buffers.
    pub fn allocated_bytes(&self) -> usize {
        self.device.allocated()
    }

    /// What the last run cost.
    pub fn cost(&self) -> RunCost {
        self.cost
    }

    /// Runs a batch in pieces that fit, and leaves what is read of it in `logits`.
    async fn run_to(&mut self, end: End, batch: Batch<'_>) -> Result<()> {
        self.logits.clear();
        self.cost = RunCost::default();
        let created = self.device.created();
        let Batch { sequence, tokens, position, first_logits } = batch;
        self.last = tokens.len();
        let mut start = 0;
        while start < tokens.len() {
            // Pieces without logits are as long as the arena; of the others there is room for a few rows.
            let (stop, end) = if start < first_logits {
                (first_logits.min(start + self.arena.tokens), End::Nothing)
            } else {
                (tokens.len().min(start + self.arena.logits_rows), end)
            };
            self.piece(end, sequence, &tokens[start..stop], position + start).await?;
            start = stop;
        }
        self.cost.created = self.device.created() - created;
        Ok(())
    }

    /// Runs a piece of a batch: either all of its tokens' logits are wanted or none.
    async fn piece(&mut self, end: End, sequence: SequenceId, tokens: &[u32], position: usize) -> Result<()> {
        let first_logits = if end == End::Nothing { tokens.len() } else { 0 };
        let run = run_words([tokens.len(), position, first_logits], end);
        self.device.queue.write_buffer(&self.run, 0, bytemuck::cast_slice(&run));
        self.device.queue.write_buffer(&self.ids, 0, bytemuck::cast_slice(tokens));
        let mut encoder = self.device.wgpu.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let Some(state) = self.sequences.get(sequence.0).and_then(Option::as_ref) else { return Ok(()) };
        if position == 0 {
            state.clear_states(&mut encoder);
        }
        let dispatches = self.encode(&mut encoder, state, tokens.len(), end);
        let (source, wanted) = match end {
            End::Nothing => (0, 0),
            End::Logits => (self.arena.logits.at, tokens.len() * self.vocab),
            End::Chosen(_) => (self.arena.chosen.at, 1),
        };
        self.cost.dispatches += dispatches;
        self.cost.bytes_written += size_of_val(&run) + size_of_val(tokens);
        self.cost.readbacks += usize::from(wanted > 0);
        self.cost.bytes_read += wanted * size_of::<f32>();
        if wanted > 0 {
            let source = source as u64 * 4;
            encoder.copy_buffer_to_buffer(&self.acts, source, &self.staging, 0, Some(wanted as u64 * 4));
        }
        self.device.queue.submit([encoder.finish()]);
        if wanted > 0 {
            let old = self.logits.len();
            self.logits.resize(old + wanted, 0.0);
            self.device.read(&self.staging, &mut self.logits[old..]).await?;
        }
        self.device.check()
    }

    /// Encodes all dispatches for `tokens` tokens into one pass; says how many.
    fn encode(&self, encoder: &mut wgpu::CommandEncoder, state: &Sequence, tokens: usize, end: End) -> usize {
        let mut dispatches = 0;
        let steps = if tokens == 1 { &self.single } else { &self.several };
        let (likeliest, drawn): (&[Step], &[Step]) = match end {
            End::Nothing | End::Logits => (&[], &[]),
            End::Chosen(Pick::Likeliest) => (&self.likeliest, &[]),
            End::Chosen(Pick::Drawn(_)) => (&self.likeliest, &self.drawn),
        };
        let wanted = if end == End::Nothing { 0 } else { tokens };
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_bind_group(0, &self.shared, &[]);
        for step in steps.iter().chain(likeliest).chain(drawn) {
            let (count, y) = match step.grid {
                Grid::Once => (tokens, 1),
                Grid::Tokens(each) => (tokens, tokens.div_ceil(each)),
                Grid::Items(each) => (tokens, tokens * each),
                Grid::Wanted(each) => (wanted, wanted.div_ceil(each)),
            };
            if !step.when.contains(&count) {
                continue;
            }
            pass.set_pipeline(self.shaders.get(step.pipeline));
            pass.set_bind_group(1, &step.operands, &[]);
            if let Some(needed) = step.state {
                pass.set_bind_group(2, state.group(needed), &[]);
            }
            let word = |value: usize| u32::try_from(value).unwrap_or(NONE);
            pass.dispatch_workgroups(word(step.x), word(y), 1);
            dispatches += 1;
        }
        dispatches
    }
}

/// `Run` of the kernels' prelude.
type RunWords = [u32; 8];

fn run_words(counts: [usize; 3], end: End) -> RunWords {
    let word = |value: usize| u32::try_from(value).unwrap_or(NONE);
    let [tokens, position, first_logits] = counts.map(word);
    let End::Chosen(Pick::Drawn(draw)) = end else { return [tokens, position, first_logits, 0, 0, 0, 0, 0] };
    let [temperature, min_p, top_p, fraction] =
        [draw.temperature, draw.min_p, draw.top_p, draw.fraction].map(f32::to_bits);
    [tokens, position, first_logits, word(draw.top_k), temperature, min_p, top_p, fraction]
}

/// Appends an op's dispatches.
fn record(p: &mut Programmer<'_>, op: &Op) -> Result<()> {
    match op {
        Op::Embed(op) => p.embed(op),
        Op::Linear(op) => p.linear(op),
        Op::Logits(op) => p.logits(op),
        Op::Experts(op) => p.experts(op),
        Op::Attention(op) => p.attention(op),
        Op::ShortConv(op) => p.short_conv(op),
        Op::DeltaNet(op) => p.delta_net(op),
        Op::Scale(op) => p.scale(op),
        Op::Norm(op) => {
            let places = (p.arena.place(op.x), p.arena.place(op.y));
            let add = match op.mode {
                NormMode::Store => None,
                NormMode::Add(scale) => Some(scale),
            };
            p.norm(&op.norm, places, (op.x.width, op.group), add)
        }
    }
}

impl WeightSink for GpuEngine {
    fn rows(&mut self, id: MatrixId, first: usize, bytes: &[u8]) -> Result<()> {
        let rows = self.stores.rows(id);
        let store = &self.stores.stores[rows.store];
        store.write(&mut self.device, self.formats[id.0], rows.first + first, bytes);
        self.device.check()
    }

    fn vector(&mut self, id: VectorId, values: Vec<f32>) {
        self.device.write(&self.vector_buffer, self.vectors.offset(id) * 4, bytemuck::cast_slice(&values));
    }
}

impl Engine for GpuEngine {
    fn open(&mut self, context: usize) -> Result<SequenceId> {
        let sequence = Sequence::new(&self.device, &self.shaders, &self.recording, context)?;
        self.device.check()?;
        Ok(keep(&mut self.sequences, sequence))
    }

    fn close(&mut self, sequence: SequenceId) {
        if let Some(sequence) = self.sequences[sequence.0].take() {
            sequence.free(&self.device);
        }
    }

    fn copy(&mut self, from: SequenceId, to: SequenceId, tokens: usize) -> Result<()> {
        let mut encoder = self.device.wgpu.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        if let (Some(source), Some(target)) = (&self.sequences[from.0], &self.sequences[to.0]) {
            target.copy_from(source, &mut encoder, &self.recording, tokens);
        }
        self.device.queue.submit([encoder.finish()]);
        self.device.check()
    }

    async fn run(&mut self, batch: Batch<'_>) -> Result<()> {
        self.run_to(End::Logits, batch).await
    }

    async fn run_to_pick(
        &mut self,
        batch: Batch<'_>,
        pick: Pick,
        _scratch: &mut Vec<f32>,
    ) -> Result<Option<u32>> {
        self.run_to(End::Chosen(pick), batch).await?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "ids are small whole numbers"
        )]
        Ok(self.logits.first().filter(|id| **id >= 0.0).map(|&id| id as u32))
    }

    fn logits(&mut self) -> &mut [f32] {
        &mut self.logits
    }

    async fn read(&mut self, x: View) -> Result<Vec<f32>> {
        if self.last > self.arena.tokens {
            bail!(OutOfMemory, "the GPU has no room for {} tokens at once", self.last);
        }
        let Place { at, stride } = self.arena.place(x);
        let mut rows = vec![0.0; self.last * stride];
        let piece = (self.arena.logits_rows * self.vocab / stride).max(1) * stride;
        for (rows, first) in rows.chunks_mut(piece).zip((at..).step_by(piece)) {
            let mut encoder =
                self.device.wgpu.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let bytes = Some(size_of_val(rows) as u64);
            encoder.copy_buffer_to_buffer(&self.acts, first as u64 * 4, &self.staging, 0, bytes);
            self.device.queue.submit([encoder.finish()]);
            self.device.read(&self.staging, rows).await?;
        }
        Ok(rows.chunks_exact(stride).flat_map(|row| &row[..x.width]).copied().collect())
    }
}
