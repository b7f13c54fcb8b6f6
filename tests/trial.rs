//! The GPU's self-test, on miniatures of every architecture: it passes what is right and notices what is not.

mod common;
#[path = "common/gpu.rs"]
mod gpu;

use std::cell::Cell;

use pollster::block_on;
use tabmind::ErrorKind;
use tabmind::cancel::Cancel;
use tabmind::engine::{Adapter, Gpu, Tuning};
use tabmind::gguf::Gguf;
use tabmind::miniature::Miniature;
use tabmind::network::Backend;
use tabmind::recording::Op;
use tabmind::source::{FileSource, Source};
use tabmind::spec::Spec;
use tabmind::speed::{AT_A_GLANCE, tokens_per_second};
use tabmind::trial::self_test::{BYTES, SelfTest, Timing, reference};
use tabmind::trial::{Trial, engine};

/// Miniatures of the test data's models, by the files' names.
fn miniatures() -> Vec<(String, Miniature)> {
    let Some(folder) = common::assets("arch") else { return vec![] };
    let mut paths: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    paths.sort();
    let files = paths.iter().filter(|path| path.extension().is_some_and(|ending| ending == "gguf"));
    let miniature = |path: &std::path::PathBuf| {
        let parts: Vec<Box<dyn Source>> = vec![Box::new(FileSource::open(path).unwrap())];
        let gguf = block_on(Gguf::read(&parts)).unwrap();
        // Encoders have no miniature.
        let spec = Spec::read(&gguf).ok()?;
        let miniature = Miniature::new(&spec, &gguf, None, BYTES).unwrap()?;
        Some((path.file_stem().unwrap().to_string_lossy().into_owned(), miniature))
    };
    files.filter_map(miniature).collect()
}

/// The header of one of the models.
fn header(name: &str) -> Option<(Spec, Gguf)> {
    let path = common::assets(&format!("arch/{name}.gguf"))?;
    let parts: Vec<Box<dyn Source>> = vec![Box::new(FileSource::open(&path).unwrap())];
    let gguf = block_on(Gguf::read(&parts)).unwrap();
    Some((Spec::read(&gguf).unwrap(), gguf))
}

fn trial<'a>(spec: &'a Spec, gguf: &'a Gguf, cancel: &'a Cancel) -> Trial<'a> {
    Trial { spec, gguf, quantize: None, threads: 1, tokens_in_flight: 2, keeps: false, cancel }
}

#[test]
fn a_program_that_does_as_if_it_were_a_gpu_runs_only_what_is_asked_of_it() {
    let Some((spec, gguf)) = header("gemma") else { return };
    let Ok(adapter) = block_on(Adapter::find()) else { return };
    let cancel = Cancel::never();
    let trial = trial(&spec, &gguf, &cancel);
    let place = block_on(trial.fastest()).unwrap();
    if adapter.is_software {
        assert_eq!(place.executor.backend(), Backend::Cpu);
        assert!(
            place.reason.contains(&adapter.name) && place.reason.contains("software"),
            "{}",
            place.reason
        );
    } else {
        assert!(place.tokens_per_second.is_some(), "{}", place.reason);
    }
    let place = block_on(trial.gpu(false)).unwrap();
    assert_eq!((place.executor.backend(), place.reason.as_str()), (Backend::Gpu, "asked for"));
}

/// What is wrong with the GPU, whose engine runs `tested` with one of its tunings, by the answers of `expected`.
fn fault(tested: &Miniature, expected: &Miniature, tuning: impl Fn(&Gpu) -> Tuning) -> Option<String> {
    block_on(async {
        let expected = reference(expected).await.unwrap();
        let gpu = Gpu::open().await.unwrap();
        let tuning = tuning(&gpu);
        SelfTest::new(gpu, tested, expected, 0).variant(tuning, None).await.unwrap().err()
    })
}

#[test]
fn every_architecture_passes() {
    if !gpu::is_there() {
        return;
    }
    for (name, miniature) in miniatures() {
        // Kernels have tests of their own for every format and tuning.
        let tunings = if name == "llama-256-Q4_K_M" { 5 } else { 1 };
        for number in 0..tunings {
            let tuning = |gpu: &Gpu| gpu.tunings().get(number).copied().unwrap_or(gpu.tuning());
            assert_eq!(fault(&miniature, &miniature, tuning), None, "{name}, tuning {number}");
        }
    }
}

#[test]
fn what_is_right_is_measured_if_so_wanted() {
    let Some((spec, gguf)) = header("gemma").filter(|_| gpu::is_there()) else { return };
    let miniature = Miniature::new(&spec, &gguf, None, BYTES).unwrap().unwrap();
    let cancel = Cancel::never();
    block_on(async {
        let expected = reference(&miniature).await.unwrap();
        let gpu = Gpu::open().await.unwrap();
        let tunings = gpu.tunings();
        let mut test = SelfTest::new(gpu, &miniature, expected, 0);
        for (tuning, (decode, prefill)) in tunings.into_iter().zip([(true, false), (false, true)]) {
            let timing = Timing { decode, prefill, cancel: &cancel };
            let rates = test.variant(tuning, Some(timing)).await.unwrap().unwrap();
            assert_eq!(rates.decode.map(|rate| rate > 0.0), decode.then_some(true));
            assert_eq!(rates.prefill.map(|rate| rate > 0.0), prefill.then_some(true));
        }
    });
}

#[test]
fn a_kernel_that_does_nothing_is_noticed() {
    if !gpu::is_there() {
        return;
    }
    let is_attention = |op: &Op| matches!(op, Op::Attention(_));
    let is_product = |op: &Op| matches!(op, Op::Linear(_));
    // Some: each of them has to be compiled three times.
    for (name, whole) in miniatures().into_iter().step_by(5) {
        for is_left_out in [&is_attention as &dyn Fn(&Op) -> bool, &is_product] {
            let mut recording = whole.recording.clone();
            recording.ops.retain(|op| !is_left_out(op));
            if recording != whole.recording {
                let tested = Miniature { plan: whole.plan.clone(), recording, ..whole };
                assert!(fault(&tested, &whole, Gpu::tuning).is_some(), "{name}");
            }
        }
    }
}

/// What is written to the GPU for the last token of a measurement.
fn bytes_written(miniature: &Miniature, tokens_in_flight: usize) -> usize {
    block_on(async {
        let mut engine = engine(Gpu::open().await.unwrap(), miniature, tokens_in_flight).unwrap();
        let rate = tokens_per_second(miniature, &mut engine, AT_A_GLANCE, &Cancel::never()).await.unwrap();
        assert!(rate > 0.0);
        engine.run_cost().unwrap().bytes_written
    })
}

#[test]
fn the_gpu_is_measured_with_tokens_in_flight() {
    let Some((spec, gguf)) = header("gemma").filter(|_| gpu::is_there()) else { return };
    let mut miniature = Miniature::new(&spec, &gguf, None, BYTES).unwrap().unwrap();
    let (alone, in_flight) = (bytes_written(&miniature, 0), bytes_written(&miniature, 2));
    assert_eq!(in_flight + 4, alone, "the token itself never left the GPU");
    // As much work as of the whole model.
    miniature.share = 0.25;
    assert_eq!([0, 2, 8].map(|tokens| miniature.in_flight(tokens)), [0, 8, 32]);
}

/// A flag that is raised once it was looked at so many times.
fn raised_after(looks: usize) -> Cancel {
    let left = Cell::new(looks);
    Cancel::new(move || left.replace(left.get().saturating_sub(1)) == 0)
}

#[test]
fn an_abort_ends_a_trial() {
    let Some((spec, gguf)) = header("gemma") else { return };
    for looks in [0, 2] {
        let cancel = raised_after(looks);
        let measured = block_on(trial(&spec, &gguf, &cancel).tokens_per_second());
        assert_eq!(measured.map_err(|error| error.kind()), Err(ErrorKind::Aborted), "after {looks} looks");
    }
    if gpu::is_there() {
        let cancel = raised_after(0);
        let place = block_on(trial(&spec, &gguf, &cancel).gpu(true)).map(|place| place.reason);
        assert_eq!(place.map_err(|error| error.kind()), Err(ErrorKind::Aborted));
    }
}
