//! Which engine runs a model here, and whether the GPU's kernels compute right: found out with a miniature of the model,
//! before anything of it is loaded, and remembered where there is a place for it.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg_attr(not(target_arch = "wasm32"), path = "trial/notes_absent.rs")]
mod notes;
pub mod record;
pub mod self_test;
mod variants;

use self::record::Record;
use self::self_test::{SelfTest, Timing, reference};
use self::variants::Variants;
use crate::cancel::Cancel;
use crate::engine::{AnyEngine, CpuEngine, Gpu, GpuEngine};
use crate::error::{Error, ErrorKind, Result};
use crate::gguf::Gguf;
use crate::miniature::Miniature;
use crate::network::Executor;
use crate::source::LocalFuture;
use crate::spec::Spec;
use crate::speed::{AT_LEISURE, SAMPLE_BYTES, tokens_per_second};
use crate::weights::Target;

/// Models and GPUs that are remembered.
const MOST_RECORDS: usize = 32;
/// The CPU has to be so many times as fast as the GPU to be preferred: an answer's prompt is the GPU's strength, and what
/// is measured is its weakness.
const MARGIN: f64 = 1.1;

/// What is to be run, and how.
pub struct Trial<'a> {
    /// Hyper-parameters.
    pub spec: &'a Spec,
    /// The file's header.
    pub gguf: &'a Gguf,
    /// What plain weights become.
    pub quantize: Option<Target>,
    /// Threads of the CPU engine.
    pub threads: usize,
    /// Tokens that the GPU begins with ahead of the one that is waited for.
    pub tokens_in_flight: usize,
    /// Whether what is found out is remembered.
    pub keeps: bool,
    /// Raised by the caller.
    pub cancel: &'a Cancel,
}

/// Where a model is to run.
pub struct Place {
    /// On what.
    pub executor: Executor,
    /// Why there.
    pub reason: String,
    /// Tokens that it will write in a second, if that was measured.
    pub tokens_per_second: Option<f64>,
}

impl Trial<'_> {
    /// The engine that is likely to be the fastest one.
    ///
    /// # Errors
    /// What the CPU engine fails with; `corrupt_file` where a tensor is missing; `aborted`.
    pub fn fastest(&self) -> LocalFuture<'_, Result<Place>> {
        Box::pin(self.find_fastest())
    }

    async fn find_fastest(&self) -> Result<Place> {
        let gpu = match Gpu::open().await {
            Ok(gpu) if !gpu.adapter().is_software => gpu,
            Ok(gpu) => return Ok(Place::cpu(format!("the GPU, {}, is software", gpu.adapter().name))),
            Err(error) => return Ok(Place::cpu(error.detail().to_string())),
        };
        match self.boxed(gpu, true).await {
            Ok((gpu, record)) => Ok(choose(gpu, &record)),
            Err(error) if error.is_of_the_gpu() => {
                Ok(Place::cpu(format!("the GPU failed: {}", error.detail())))
            }
            Err(error) => Err(error),
        }
    }

    /// The GPU; where its kernels compute wrongly, the CPU if it `may_fall_back`.
    ///
    /// # Errors
    /// `webgpu_unavailable`, `device_lost`, `out_of_memory`; `self_test_failed`; `corrupt_file` where a tensor is missing;
    /// `aborted`.
    pub async fn gpu(&self, may_fall_back: bool) -> Result<Place> {
        let (gpu, record) = self.boxed(Gpu::open().await?, false).await?;
        let told = record.remark();
        if !record.is_wrong() {
            let executor = Executor::Gpu(Box::new(gpu));
            return Ok(Place { executor, reason: format!("asked for{told}"), tokens_per_second: None });
        }
        if may_fall_back { Ok(Place::cpu(told)) } else { Err(Error::new(ErrorKind::SelfTestFailed, told)) }
    }

    /// [`tested`](Self::tested), on the heap, as its callers would each have a copy of the code.
    fn boxed(&self, gpu: Gpu, measures: bool) -> LocalFuture<'_, Result<(Gpu, Record)>> {
        Box::pin(self.tested(gpu, measures))
    }

    /// Tests `gpu` and, if so wanted, measures it and the CPU, but for what is known. What cannot be tried is taken to be right.
    async fn tested(&self, mut gpu: Gpu, measures: bool) -> Result<(Gpu, Record)> {
        let of = self.subject(&gpu);
        let mut records = if self.keeps { notes::read().await } else { Vec::new() };
        let known = records.iter().position(|record: &Record| record.of == of).map(|at| records.remove(at));
        // A browser may tell two GPUs by one name.
        let known = known.filter(|record| record.tuning.is_none_or(|tuning| gpu.can(tuning)));
        let mut record = known.clone().unwrap_or(Record { of, ..Record::default() });
        if known.is_none() {
            gpu = self.tune(gpu, &mut record).await?;
        } else if let Some(tuning) = record.tuning {
            gpu.tune(tuning);
        }
        if measures && !record.is_wrong() && record.speeds.is_none() {
            (gpu, record.speeds) = self.measure(gpu).await?;
        }
        if self.keeps && known.as_ref() != Some(&record) {
            records.push(record.clone());
            let surplus = records.len().saturating_sub(MOST_RECORDS);
            records.drain(..surplus);
            notes::write(&records).await;
        }
        Ok((gpu, record))
    }

    /// What a record is of. Files of one size with adapters of one name that can do the same are taken to be the same.
    fn subject(&self, gpu: &Gpu) -> String {
        let (bytes, layers) = (self.gguf.total_bytes, self.spec.layers.len());
        let Self { quantize, threads, tokens_in_flight, .. } = self;
        let (name, tunings) = (&gpu.adapter().name, gpu.tunings().len());
        let subgroup = gpu.tuning().subgroup;
        format!("{bytes} {layers} {quantize:?} {name} {tunings} {subgroup:?} {threads} {tokens_in_flight}")
    }

    /// Finds the variants that compute right, and of these the fastest on a real GPU.
    async fn tune(&self, gpu: Gpu, record: &mut Record) -> Result<Gpu> {
        let Some(miniature) = self.miniature(self_test::BYTES)? else { return Ok(gpu) };
        let expected = reference(&miniature).await?;
        let times = !gpu.adapter().is_software;
        let tunings = gpu.tunings();
        let tokens_in_flight = if times { self.tokens_in_flight } else { 0 };
        let mut test = SelfTest::new(gpu, &miniature, expected, tokens_in_flight);
        let mut variants = Variants::default();
        for tuning in tunings {
            // Where time does not count, any that is right will do.
            if !variants.is_empty() && !times {
                break;
            }
            self.cancel.check()?;
            let (decode, prefill) = variants.wants(tuning);
            let timing = times.then_some(Timing { decode, prefill, cancel: self.cancel });
            match test.variant(tuning, timing).await? {
                Ok(rates) => variants.push(tuning, rates),
                Err(fault) => {
                    record.fault.get_or_insert(fault);
                }
            }
        }
        record.tuning = variants.best();
        test.finish(record.tuning).await
    }

    async fn measure(&self, gpu: Gpu) -> Result<(Gpu, Option<(f64, f64)>)> {
        let Some(miniature) = self.miniature(SAMPLE_BYTES)? else { return Ok((gpu, None)) };
        let on_cpu = self.speed_of_the_cpu(&miniature).await?;
        let mut engine = engine(gpu, &miniature, self.tokens_in_flight)?;
        let on_gpu = tokens_per_second(&miniature, &mut engine, AT_LEISURE, self.cancel).await?;
        Ok((released(engine)?, Some((on_cpu, on_gpu))))
    }

    /// Tokens per second that the CPU engine would write with little in its context; none for models that do not run without
    /// all of their layers.
    ///
    /// # Errors
    /// `corrupt_file` where a tensor is missing; `out_of_memory`, `aborted`.
    pub async fn tokens_per_second(&self) -> Result<Option<f64>> {
        match self.miniature(SAMPLE_BYTES)? {
            Some(miniature) => self.speed_of_the_cpu(&miniature).await.map(Some),
            None => Ok(None),
        }
    }

    async fn speed_of_the_cpu(&self, miniature: &Miniature) -> Result<f64> {
        let engine = CpuEngine::new(miniature.recording.clone(), &miniature.plan, self.threads)?;
        let mut engine = AnyEngine::Cpu(engine);
        miniature.fill(&mut engine)?;
        tokens_per_second(miniature, &mut engine, AT_LEISURE, self.cancel).await
    }

    fn miniature(&self, bytes: u64) -> Result<Option<Miniature>> {
        Miniature::new(self.spec, self.gguf, self.quantize, bytes)
    }
}

/// The GPU that an engine has run on.
fn released(engine: AnyEngine) -> Result<Gpu> {
    engine.into_gpu().ok_or_else(|| Error::new(ErrorKind::DeviceLost, "the GPU is gone"))
}

/// An engine that runs `miniature`, with room for as much work in flight as so many tokens of the whole model are.
///
/// # Errors
/// What the GPU fails with.
pub fn engine(gpu: Gpu, miniature: &Miniature, tokens_in_flight: usize) -> Result<AnyEngine> {
    let Miniature { plan, recording, vocab, .. } = miniature;
    let engine = GpuEngine::new(gpu, recording.clone(), plan, *vocab)?;
    let mut engine = AnyEngine::Gpu(engine.flying(miniature.in_flight(tokens_in_flight)));
    miniature.fill(&mut engine)?;
    Ok(engine)
}

impl Place {
    /// The CPU.
    pub fn cpu(reason: impl Into<String>) -> Self {
        Self { executor: Executor::Cpu, reason: reason.into(), tokens_per_second: None }
    }
}

fn choose(gpu: Gpu, record: &Record) -> Place {
    if record.is_wrong() {
        return Place::cpu(record.remark());
    }
    let Some((on_cpu, on_gpu)) = record.speeds else {
        let reason = "it cannot be measured which engine is faster for this model".into();
        return Place { executor: Executor::Gpu(Box::new(gpu)), reason, tokens_per_second: None };
    };
    let prefers_cpu = is_preferred(on_cpu, on_gpu);
    let (name, best, other) =
        if prefers_cpu { ("the CPU", on_cpu, on_gpu) } else { ("WebGPU", on_gpu, on_cpu) };
    let told = record.remark();
    let reason = format!(
        "{name} suits this model best here: about {best:.0} tokens a second against {other:.0}{told}"
    );
    let executor = if prefers_cpu { Executor::Cpu } else { Executor::Gpu(Box::new(gpu)) };
    Place { executor, reason, tokens_per_second: Some(best) }
}

/// Whether the CPU is to run what it writes at `on_cpu` tokens a second and the GPU at `on_gpu`.
fn is_preferred(on_cpu: f64, on_gpu: f64) -> bool {
    on_cpu > MARGIN * on_gpu
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Backend;

    fn record(fault: Option<&str>, speeds: Option<(f64, f64)>) -> Record {
        Record { fault: fault.map(str::to_string), speeds, ..Record::default() }
    }

    #[test]
    fn the_cpu_is_preferred_only_where_it_is_clearly_faster() {
        assert!(is_preferred(111.0, 100.0));
        assert!(!is_preferred(109.0, 100.0));
        assert!(!is_preferred(10.0, 100.0));
    }

    #[test]
    fn a_gpu_that_computes_wrongly_is_not_chosen_however_fast() {
        let Ok(gpu) = pollster::block_on(Gpu::open()) else { return };
        let place = choose(gpu, &record(Some("nonsense"), Some((1.0, 100.0))));
        assert_eq!(place.executor.backend(), Backend::Cpu);
        assert!(place.reason.contains("nonsense"));
    }

    #[test]
    fn what_is_faster_is_chosen_and_says_so() {
        let Ok(gpu) = pollster::block_on(Gpu::open()) else { return };
        let place = choose(gpu, &record(None, Some((50.0, 100.0))));
        assert_eq!(place.executor.backend(), Backend::Gpu);
        assert_eq!(place.tokens_per_second, Some(100.0));
        assert_eq!(place.reason, "WebGPU suits this model best here: about 100 tokens a second against 50");
    }
}
