//! Whole models against an independent implementation: logits at every position, greedy ids, prefill against decode.

mod common;
#[path = "common/gpu.rs"]
mod gpu;
#[path = "common/tolerance.rs"]
mod tolerance;

use std::path::Path;

use pollster::block_on;
use serde_json::Value;
use tabmind::cancel::Cancel;
use tabmind::engine::Pick;
use tabmind::gguf::Gguf;
use tabmind::network::{Backend, Network};
use tabmind::source::{FileSource, Source};

fn load(path: &Path, backend: Backend, context: Option<usize>) -> Network {
    let parts: Vec<Box<dyn Source>> = vec![Box::new(FileSource::open(path).unwrap())];
    let gguf = block_on(Gguf::read(&parts)).unwrap();
    block_on(Network::load(&gguf, &parts, backend, context, &Cancel::never(), &mut |_| {})).unwrap()
}

/// Logits of every token of `ids`, in one batch.
fn prefill(network: &mut Network, ids: &[u32]) -> Vec<f32> {
    let sequence = block_on(network.open(network.context_length)).unwrap();
    let logits = block_on(network.run(sequence, ids, 0, 0)).unwrap().to_vec();
    network.close(sequence);
    logits
}

/// The same, a token at a time.
fn decode(network: &mut Network, ids: &[u32]) -> Vec<f32> {
    let sequence = block_on(network.open(network.context_length)).unwrap();
    let mut all = Vec::new();
    for (position, &id) in ids.iter().enumerate() {
        all.extend_from_slice(block_on(network.run(sequence, &[id], position, 0)).unwrap());
    }
    network.close(sequence);
    all
}

fn greedy(network: &mut Network, prompt: &[u32], count: usize) -> Vec<u32> {
    let sequence = block_on(network.open(network.context_length)).unwrap();
    let mut ids = Vec::new();
    let mut next = argmax(block_on(network.run(sequence, prompt, 0, prompt.len() - 1)).unwrap());
    for position in prompt.len().. {
        ids.push(next);
        if ids.len() == count {
            break;
        }
        next = argmax(block_on(network.run(sequence, &[next], position, 0)).unwrap());
    }
    network.close(sequence);
    ids
}

fn argmax(logits: &[f32]) -> u32 {
    (0..).zip(logits).max_by(|a, b| a.1.total_cmp(b.1)).map(|(id, _)| id).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// Largest and mean distance.
fn distance(found: &[f32], expected: &[f32]) -> (f32, f32) {
    assert_eq!(found.len(), expected.len(), "as many logits as the reference has");
    let all = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    (all.clone().fold(0.0, f32::max), all.sum::<f32>() / found.len() as f32)
}

#[test]
fn the_comparison_can_fail() {
    assert_eq!(distance(&[1.0, 2.0], &[1.0, 4.0]), (2.0, 1.0));
}

/// The two trained models: greedy ids and logits of a fixed text, for every variant, on all engines.
#[test]
fn trained_models_follow_their_goldens() {
    let Some(root) = common::assets("goldens/models") else { return };
    let all = [Backend::Naive, Backend::Cpu, Backend::Gpu];
    let backends = if gpu::is_there() { &all[..] } else { &all[..2] };
    for (name, folder) in [("stories260K", "stories260K"), ("tinystories-656K", "tinystories-656K")] {
        let golden: Value =
            serde_json::from_slice(&std::fs::read(root.join(format!("{name}.json"))).unwrap()).unwrap();
        for (variant, expected) in golden["variants"].as_object().unwrap() {
            let weights = root.join("../../weights").join(folder);
            let file =
                [format!("{name}-{variant}.gguf"), format!("{name}.gguf")].map(|file| weights.join(file));
            let file = file.iter().find(|file| file.exists()).unwrap();
            let exact = matches!(variant.as_str(), "f32" | "f16" | "bf16");
            let stable = expected["llama_cpp_check"]["matching_prefix"].as_u64().unwrap() as usize;
            let greedy_ids = ids(&expected["greedy_ids"]);
            for &backend in backends {
                let mut network = load(file, backend, None);
                let count = if exact || backend != Backend::Cpu { greedy_ids.len() } else { stable };
                let found = greedy(&mut network, &ids(&expected["prompt_ids"]), count);
                assert_eq!(found, greedy_ids[..count], "{name} {variant} on {backend:?}");
                if variant == "f32" {
                    let logits = common::f32s(
                        &std::fs::read(root.join(format!("{name}.eval_logits.f32.bin"))).unwrap(),
                    );
                    let (max, _) = distance(&prefill(&mut network, &ids(&expected["eval_ids"])), &logits);
                    assert!(max < tolerance::F32_LOGITS, "{name} on {backend:?}: logits are off by {max}");
                }
            }
        }
    }
}

/// One model of the architecture goldens on one engine; says what is wrong, if anything.
fn check_architecture(folder: &Path, name: &str, backend: Backend) -> Result<(), String> {
    let golden: Value =
        serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap();
    let expected = common::f32s(&std::fs::read(folder.join(format!("{name}.logits.f32.bin"))).unwrap());
    let mut network = load(&folder.join(format!("{name}.gguf")), backend, None);
    let prompt = ids(&golden["prompt_ids"]);
    let logits = prefill(&mut network, &prompt);
    let (max, mean) = distance(&logits, &expected);
    let quantised = golden["quant"].as_str().is_some_and(|quant| quant.starts_with('Q'));
    let exact = !quantised || backend != Backend::Cpu;
    let (max_allowed, mean_allowed, steps_allowed) = match backend {
        Backend::Cpu if quantised => {
            (tolerance::Q8_ACTIVATIONS_MAX, tolerance::Q8_ACTIVATIONS_MEAN, tolerance::SAME_ENGINE)
        }
        // What is rounded may fall to either side, after sums in another order.
        Backend::Gpu if quantised => (tolerance::HALF_CACHE, tolerance::HALF_CACHE, tolerance::HALF_CACHE),
        // One token and several have kernels of their own there.
        Backend::Gpu => (tolerance::F32_LOGITS, tolerance::F32_LOGITS, tolerance::F32_LOGITS),
        _ => (tolerance::F32_LOGITS, tolerance::F32_LOGITS, tolerance::SAME_ENGINE),
    };
    if max > max_allowed || mean > mean_allowed {
        return Err(format!("{name}: logits are off by {max} at most, {mean} on average"));
    }
    let (steps, _) = distance(&decode(&mut network, &prompt), &logits);
    if steps > steps_allowed {
        return Err(format!("{name}: decode differs from prefill by {steps}"));
    }
    let found = greedy(&mut network, &prompt, 32);
    if exact && found != ids(&golden["greedy_ids"]) {
        return Err(format!("{name}: greedy ids are {found:?}"));
    }
    println!("{name} on {backend:?}: max {max:.1e}, mean {mean:.1e}, steps {steps:.1e}");
    Ok(())
}

fn check_architectures(backend: Backend) {
    let Some(folder) = common::assets("arch") else { return };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".gguf").map(str::to_string))
        .collect();
    names.sort();
    assert!(names.len() >= 51, "the goldens are complete: {}", names.len());
    let failures: Vec<String> = names
        .iter()
        .filter_map(|name| match std::panic::catch_unwind(|| check_architecture(&folder, name, backend)) {
            Ok(outcome) => outcome.err(),
            Err(panic) => Some(format!("{name}: {:?}", panic.downcast_ref::<String>())),
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), names.len(), failures.join("\n"));
}

#[test]
fn every_architecture_on_the_naive_engine() {
    check_architectures(Backend::Naive);
}

#[test]
fn every_architecture_on_the_cpu_engine() {
    check_architectures(Backend::Cpu);
}

#[test]
fn every_architecture_on_the_gpu_engine() {
    if gpu::is_there() {
        check_architectures(Backend::Gpu);
    }
}

/// A token costs a fixed number of dispatches, creates nothing and writes little.
#[test]
fn a_token_on_the_gpu_costs_little() {
    let Some(file) = common::assets("weights/stories260K/stories260K.gguf") else { return };
    if !gpu::is_there() {
        return;
    }
    let mut network = load(&file, Backend::Gpu, None);
    let (layers, vocab) = (network.spec.layers.len(), network.spec.vocab);
    let sequence = block_on(network.open(16)).unwrap();
    for (position, id) in [1, 403, 407].into_iter().enumerate() {
        block_on(network.run_to_pick(sequence, &[id], position, Pick::Likeliest, &[])).unwrap();
        let cost = network.run_cost().unwrap();
        assert!(cost.dispatches <= 6 * layers + 5, "{cost:?} for {layers} layers");
        assert_eq!(cost.created, 0);
        assert!(cost.bytes_written <= 256, "{cost:?}");
        assert_eq!(cost.bytes_read, 4, "the id of the likeliest token");
    }
    block_on(network.run(sequence, &[5], 3, 0)).unwrap();
    assert_eq!(network.run_cost().unwrap().bytes_read, 4 * vocab, "logits, where they are asked for");
}
