//! Vectors of texts by models that write: against transformers' hidden states, and against the logits of a model whose
//! output projection leaves them as they are.

mod common;
#[path = "common/gguf.rs"]
mod gguf;
#[path = "common/gpu.rs"]
mod gpu;

use std::path::Path;

use pollster::block_on;
use serde_json::{Value, json};
use tabmind::cancel::Cancel;
use tabmind::gguf::Gguf;
use tabmind::kernels::formats::Format;
use tabmind::model::Model;
use tabmind::network::{Backend, Network};
use tabmind::request::{LoadOptions, Request, parse};
use tabmind::source::{FileSource, MemorySource, Source};
use tabmind::{ErrorKind, Result};

fn model(source: impl Source + 'static) -> Model {
    let parts: Vec<Box<dyn Source>> = vec![Box::new(source)];
    block_on(Model::load(parts, &LoadOptions::default(), &Cancel::never(), &mut |_| {})).unwrap()
}

fn built(file: &gguf::Writer) -> Model {
    model(MemorySource::new(file.build()))
}

fn network(backend: Backend, source: impl Source + 'static) -> Network {
    let parts: Vec<Box<dyn Source>> = vec![Box::new(source)];
    let gguf = block_on(Gguf::read(&parts)).unwrap();
    block_on(Network::load(&gguf, &parts, backend, None, &Cancel::never(), &mut |_| {})).unwrap()
}

fn embed(model: &Model, params: &Value) -> Result<Vec<Vec<f32>>> {
    block_on(model.embed(&parse(&params.to_string())?, &Cancel::never())).map(|embeddings| embeddings.vectors)
}

/// `row` with a length of 1.
fn unit(row: &[f64]) -> Vec<f64> {
    let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
    row.iter().map(|v| v / length).collect()
}

fn distance(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max)
}

fn doubles(row: &[f32]) -> Vec<f64> {
    row.iter().copied().map(f64::from).collect()
}

/// Transformers' output of the final norm, `[tokens, hidden]`, for the prompt of an architecture's golden.
fn golden(folder: &Path, name: &str) -> (Vec<u32>, Vec<Vec<f32>>) {
    let text = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
    let golden: Value = serde_json::from_slice(&text).unwrap();
    let ids: Vec<u32> =
        golden["prompt_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
    let hidden = golden["hf_config"]["hidden_size"].as_u64().unwrap() as usize;
    let all = common::f32s(&std::fs::read(folder.join(format!("{name}.hidden.f32.bin"))).unwrap());
    let last = all.len() - ids.len() * hidden;
    (ids, all[last..].chunks_exact(hidden).map(<[f32]>::to_vec).collect())
}

#[test]
fn every_architecture_agrees_with_transformers() {
    let Some(folder) = common::assets("arch") else { return };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|file| {
            file.unwrap().file_name().to_str()?.strip_suffix(".hidden.f32.bin").map(str::to_string)
        })
        .collect();
    names.sort();
    assert!(names.len() >= 28, "the goldens are complete: {}", names.len());
    let all = [Backend::Naive, Backend::Cpu, Backend::Gpu];
    let backends = if gpu::is_there() { &all[..] } else { &all[..2] };
    let mut failures = Vec::new();
    for name in &names {
        let (ids, rows) = golden(&folder, name);
        let file = || FileSource::open(&folder.join(format!("{name}.gguf"))).unwrap();
        let mut worst = 0.0f64;
        for &backend in backends {
            let mut network = network(backend, file());
            let sequence = block_on(network.open(ids.len())).unwrap();
            block_on(network.run(sequence, &ids, 0, ids.len())).unwrap();
            let hidden = block_on(network.hidden()).unwrap();
            worst = worst.max(distance(&hidden, &doubles(&rows.concat())));
        }
        let found = embed(&model(file()), &json!({ "input": ids })).unwrap().remove(0);
        let last = distance(&found, &unit(&doubles(rows.last().unwrap())));
        println!("{name}: hidden states off by {worst:.1e}, the vector by {last:.1e}");
        if worst > 1e-3 || last > 1e-3 {
            failures.push(format!("{name}: {worst:.1e}, {last:.1e}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The dimensions of [`gguf::byte_model`].
const HIDDEN: usize = 32;

/// A small model whose final norm is not a row of ones.
fn small() -> gguf::Writer {
    let mut file = gguf::byte_model();
    let norm = file.tensors.iter_mut().find(|tensor| tensor.0 == "output_norm.weight").unwrap();
    norm.3 = gguf::f32_bytes(&gguf::noise(77, HIDDEN));
    file
}

/// The hidden states of `ids`, as the logits of the same model with an output projection that leaves them as they are.
fn hidden_states(ids: &[u32]) -> Vec<Vec<f64>> {
    let mut file = small();
    let output = file.tensors.iter_mut().find(|tensor| tensor.0 == "output.weight").unwrap();
    let rows = output.1[1] as usize;
    let mut identity = vec![0.0; rows * HIDDEN];
    (0..HIDDEN).for_each(|i| identity[i * HIDDEN + i] = 1.0);
    output.3 = gguf::f32_bytes(&identity);
    let mut network = network(Backend::Naive, MemorySource::new(file.build()));
    let sequence = block_on(network.open(ids.len())).unwrap();
    let logits = block_on(network.run(sequence, ids, 0, 0)).unwrap();
    logits.chunks_exact(rows).map(|row| doubles(&row[..HIDDEN])).collect()
}

#[test]
fn the_file_says_how_tokens_are_pooled() {
    // Longer than the pieces in which prompts are computed.
    let ids: Vec<u32> = (0..200).map(|i| i * 7 % 256).collect();
    let rows = hidden_states(&ids);
    let mean: Vec<f64> =
        (0..HIDDEN).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64).collect();
    let cases = [
        (None, &rows[199]),
        (Some(0), &rows[199]),
        (Some(1), &mean),
        (Some(2), &rows[0]),
        (Some(3), &rows[199]),
    ];
    for (pooling, expected) in cases {
        let mut file = small();
        if let Some(pooling) = pooling {
            file.u32("llama.pooling_type", pooling);
        }
        let found = embed(&built(&file), &json!({ "input": ids })).unwrap().remove(0);
        // The feed-forward's weights meet activations of 8 bits.
        let off = distance(&found, &unit(expected));
        assert!(off < 0.02, "pooling {pooling:?}: off by {off}");
        let length: f32 = found.iter().map(|v| v * v).sum();
        assert!((length - 1.0).abs() < 1e-5, "pooling {pooling:?}: a squared length of {length}");
    }
    assert!(distance(&[0.0; HIDDEN], &unit(&mean)) > 0.1, "the comparison can fail");
}

#[test]
fn texts_in_one_call_are_as_alone_and_leave_conversations_alone() {
    let model = built(&small());
    let text = "the other and the one, and then another one";
    let continued = || {
        let request =
            json!({ "kind": "completion", "params": { "prompt": text, "max_tokens": 4, "temperature": 0 } });
        let request = Request::parse(&request.to_string()).unwrap();
        block_on(model.generate(&request, &Cancel::never(), &mut |_| {})).unwrap()
    };
    let before = continued();
    let together = embed(&model, &json!({ "input": ["a text", text, "a text"] })).unwrap();
    assert_eq!(together[0], together[2]);
    assert_ne!(together[0], together[1]);
    assert_eq!(together[1..2], embed(&model, &json!({ "input": text })).unwrap());
    let after = continued();
    assert_eq!(after.choices[0].text, before.choices[0].text);
    assert!(after.cached_tokens > 0, "the conversation was kept");
}

#[test]
fn what_is_wrong_is_named() {
    let model = built(&small());
    let cases = [
        (json!({ "input": [[1, 2], []] }), ErrorKind::InvalidRequest, "input[1]: the text is empty"),
        (json!({ "input": [[1, 99_999]] }), ErrorKind::InvalidRequest, "input[0]: token id 99999"),
        (json!({ "input": [vec![1; 257]] }), ErrorKind::ContextOverflow, "input[0]: the text has 257 tokens"),
        (json!({ "input": "a", "dimensions": 4 }), ErrorKind::InvalidRequest, "have 32"),
    ];
    for (params, kind, words) in cases {
        let error = embed(&model, &params).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.detail().contains(words), "{:?} does not say {words:?}", error.detail());
    }
    let aborted =
        block_on(model.embed(&parse(r#"{"input":"a"}"#).unwrap(), &Cancel::new(|| true))).unwrap_err();
    assert_eq!(aborted.kind(), ErrorKind::Aborted);
    assert_eq!(embed(&model, &json!({ "input": "a" })).unwrap().len(), 1, "the model stays usable");

    let ranker = built(small().u32("llama.pooling_type", 4));
    assert!(embed(&ranker, &json!({ "input": "a" })).unwrap_err().detail().contains("ranks texts"));

    let mut broken = small();
    let norm = broken.tensors.iter_mut().find(|tensor| tensor.0 == "output_norm.weight").unwrap();
    norm.3 = gguf::f32_bytes(&[f32::NAN; HIDDEN]);
    assert_eq!(norm.2, Format::F32 as u32, "floats are floats");
    assert_eq!(embed(&built(&broken), &json!({ "input": "a" })).unwrap_err().kind(), ErrorKind::NumericError);
}
