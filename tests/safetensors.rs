//! Directories with safetensors: the trained model gives its golden ids, the architecture goldens, written back the
//! way transformers stores them, give their logits, and what is wrong with a directory is named.

mod common;
#[path = "common/damage.rs"]
mod damage;
#[path = "common/heap.rs"]
mod heap;
#[path = "common/tolerance.rs"]
mod tolerance;

use std::path::Path;

use pollster::block_on;
use serde_json::{Map, Value, json};
use tabmind::cancel::Cancel;
use tabmind::files::ModelFiles;
use tabmind::generate::Outcome;
use tabmind::gguf::Gguf;
use tabmind::model::Model;
use tabmind::network::{Backend, Blueprint, Executor, Network};
use tabmind::request::{LoadOptions, Request, parse};
use tabmind::safetensors::Directory;
use tabmind::source::{FileSource, MemorySource, Source};
use tabmind::spec::{RopeFactors, Spec};
use tabmind::weights::Target;
use tabmind::{ErrorKind, Result};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

const FOLDER: &str = "weights/tinystories-656K";
const FILES: [&str; 4] = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];

fn open(folder: &Path, names: &[&str]) -> Vec<Box<dyn Source>> {
    names
        .iter()
        .map(|name| -> Box<dyn Source> { Box::new(FileSource::open(&folder.join(name)).unwrap()) })
        .collect()
}

fn memory(files: Vec<Vec<u8>>) -> Vec<Box<dyn Source>> {
    files.into_iter().map(|bytes| -> Box<dyn Source> { Box::new(MemorySource::new(bytes)) }).collect()
}

fn load(parts: Vec<Box<dyn Source>>, options: &str) -> Result<Model> {
    let options: LoadOptions = parse(options)?;
    block_on(Model::load(parts, &options, &Cancel::never(), &mut |_| {}))
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn golden(variant: &str) -> Value {
    let path = common::assets("goldens/models/tinystories-656K.json").unwrap();
    serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap()["variants"][variant].take()
}

fn continue_greedily(model: &Model, prompt: &str, count: usize) -> Outcome {
    let params = json!({ "prompt": prompt, "temperature": 0, "max_tokens": count, "ignore_eos": true });
    let request = Request::parse(&json!({ "kind": "completion", "params": params }).to_string()).unwrap();
    block_on(model.generate(&request, &Cancel::never(), &mut |_| {})).unwrap()
}

/// Text in, golden ids out: the tokenizer of `tokenizer.json`, the configuration, and the weights, of which the tied
/// matrix is stored as `lm_head.weight` alone.
#[test]
fn the_trained_directory_gives_the_golden_ids() {
    let Some(folder) = common::assets(FOLDER) else { return };
    let golden = golden("f32");
    let model = load(open(&folder, &FILES), "{}").unwrap();
    let expected = ids(&golden["greedy_ids"]);
    let outcome = continue_greedily(&model, golden["prompt"].as_str().unwrap(), expected.len());
    assert_eq!(outcome.prompt_tokens, golden["prompt_ids"].as_array().unwrap().len());
    assert_eq!(outcome.choices[0].token_ids, expected);
    let info = model.info();
    assert_eq!(
        (info.architecture.as_str(), info.quantization.as_str(), info.vocab_size, info.context_length),
        ("llama", "F32", 2048, 512)
    );
    let gguf = load(open(&folder, &["tinystories-656K-f32.gguf"]), "{}").unwrap();
    assert_eq!(gguf.info().parameters, info.parameters);
    assert_eq!(
        outcome.choices[0].text,
        continue_greedily(&gguf, golden["prompt"].as_str().unwrap(), expected.len()).choices[0].text
    );
}

#[test]
fn order_and_further_files_do_not_matter() {
    let Some(folder) = common::assets(FOLDER) else { return };
    let names = [
        "special_tokens_map.json",
        "model.safetensors",
        "tokenizer.json",
        "generation_config.json",
        "tokenizer_config.json",
        "config.json",
    ];
    let mut parts = open(&folder, &names);
    parts.extend(memory(vec![
        b"# A README".to_vec(),
        b"{% for message in messages %}{{ message.content }}{% endfor %}".to_vec(),
    ]));
    let model = load(parts, "{}").unwrap();
    let expected = ids(&golden("f32")["greedy_ids"]);
    assert_eq!(continue_greedily(&model, "Once upon a time", 20).choices[0].token_ids, expected[..20]);
    assert!(model.info().has_chat_template, "a template of its own file is found");
}

/// Quantised at load, by the naive engine on exact blocks, the ids are those of the quantised GGUF files.
#[test]
fn quantised_at_load_the_ids_are_those_of_the_quantised_files() {
    let Some(folder) = common::assets(FOLDER) else { return };
    for (variant, target) in [("q8_0", Target::Q8_0), ("q4_0", Target::Q4_0)] {
        let golden = golden(variant);
        let expected = ids(&golden["greedy_ids"]);
        let parts = open(&folder, &FILES);
        let table = block_on(ModelFiles::read(&parts)).unwrap().table;
        let mut blueprint =
            block_on(Blueprint::draw(Spec::read(&table).unwrap(), &table, &parts, None)).unwrap();
        blueprint.plan.quantize(target);
        assert!(blueprint.plan.matrices.iter().all(|matrix| matrix.format == target.format()));
        let mut network = block_on(Network::build(
            blueprint,
            &table,
            &parts,
            Executor::Naive,
            &Cancel::never(),
            &mut |_| {},
        ))
        .unwrap();
        let sequence = block_on(network.open(network.context_length)).unwrap();
        let mut tokens = ids(&golden["prompt_ids"]);
        let prompt = tokens.len();
        for _ in 0..20 {
            let logits = block_on(network.run(sequence, &tokens, 0, tokens.len() - 1)).unwrap();
            tokens.push((0..).zip(logits).max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0);
        }
        assert_eq!(tokens[prompt..], expected[..20], "{variant}");

        let model = load(parts, &json!({ "quantize": variant }).to_string()).unwrap();
        assert_eq!(model.info().quantization, variant.to_uppercase());
        let whole = load(open(&folder, &[&format!("tinystories-656K-{variant}.gguf")]), "{}").unwrap();
        let [quantised, stored] = [&model, &whole]
            .map(|model| continue_greedily(model, "Once upon a time", 20).choices.remove(0).token_ids);
        assert_eq!(quantised, stored, "{variant} on the CPU engine");
        let plain = open(&folder, &["tinystories-656K-f32.gguf"]);
        let plain = load(plain, &json!({ "quantize": variant }).to_string()).unwrap();
        assert_eq!(
            continue_greedily(&plain, "Once upon a time", 20).choices[0].token_ids,
            stored,
            "{variant} from a plain GGUF file"
        );
        let unchanged =
            load(open(&folder, &["tinystories-656K-q5_1.gguf"]), &json!({ "quantize": variant }).to_string())
                .unwrap();
        assert_eq!(unchanged.info().quantization, "Q5_1", "what is quantised stays as it is");
    }
}

/// Tensors by name with their extents, rows first, and their bytes.
type Tensors = Vec<(String, Vec<usize>, Vec<u8>)>;

fn safetensors(dtype: &str, tensors: &Tensors) -> Vec<u8> {
    let mut header = Map::new();
    let mut data = Vec::new();
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    for (name, shape, bytes) in tensors {
        let begin = data.len();
        data.extend(bytes);
        header.insert(
            name.clone(),
            json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, data.len()] }),
        );
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// The name that transformers gives a tensor.
fn their_name(name: &str) -> String {
    let pairs = [
        ("token_embd", "model.embed_tokens"),
        ("output_norm", "model.norm"),
        ("attn_output", "self_attn.o_proj"),
        ("attn_q_norm", "self_attn.q_norm"),
        ("attn_k_norm", "self_attn.k_norm"),
        ("attn_norm", "input_layernorm"),
        ("ffn_norm", "post_attention_layernorm"),
        ("attn_q", "self_attn.q_proj"),
        ("attn_k", "self_attn.k_proj"),
        ("attn_v", "self_attn.v_proj"),
        ("ffn_gate", "mlp.gate_proj"),
        ("ffn_up", "mlp.up_proj"),
        ("ffn_down", "mlp.down_proj"),
        ("output", "lm_head"),
        ("blk.", "model.layers."),
    ];
    let mut name = name.to_string();
    for (ours, theirs) in &pairs[..13] {
        if name.contains(&format!("{ours}.")) {
            name = name.replace(&format!("{ours}."), &format!("{theirs}."));
            break;
        }
    }
    if name.starts_with("output.") {
        name.replace("output.", "lm_head.")
    } else {
        name.replace("blk.", "model.layers.")
    }
}

/// Tensors of an architecture golden as transformers has them: rows of queries and keys back in halves.
fn as_transformers(file: &Path, config: &Value) -> Tensors {
    let bytes = std::fs::read(file).unwrap();
    let gguf = block_on(Gguf::read(&memory(vec![bytes.clone()]))).unwrap();
    let permuted = config["model_type"] == "llama";
    let head_dim = config["head_dim"].as_u64().unwrap_or(0) as usize;
    let tensors = gguf.tensors.iter().filter(|tensor| tensor.name != "rope_freqs.weight");
    tensors
        .map(|tensor| {
            let bytes = &bytes[tensor.offset as usize..][..tensor.bytes as usize];
            let is_rotated = tensor.name.contains("attn_q.") || tensor.name.contains("attn_k.");
            // A bias is a column.
            let rows = if tensor.shape.len() == 1 { tensor.shape[0] } else { tensor.rows() };
            let bytes = match permuted && is_rotated {
                true => (0..rows)
                    .flat_map(|row| {
                        let (head, at) = (row / head_dim, row % head_dim);
                        let source = head * head_dim
                            + if at < head_dim / 2 { 2 * at } else { 2 * (at - head_dim / 2) + 1 };
                        bytes[source * bytes.len() / rows..][..bytes.len() / rows].to_vec()
                    })
                    .collect(),
                false => bytes.to_vec(),
            };
            (their_name(&tensor.name), tensor.shape.iter().rev().copied().collect(), bytes)
        })
        .collect()
}

/// Largest distance of a directory's logits from the golden's.
fn distance(golden: &Value, expected: &[f32], parts: &[Box<dyn Source>]) -> f32 {
    let table = block_on(Directory::read(parts)).unwrap().table;
    let mut network =
        block_on(Network::load(&table, parts, Backend::Naive, None, &Cancel::never(), &mut |_| {})).unwrap();
    let sequence = block_on(network.open(network.context_length)).unwrap();
    let logits = block_on(network.run(sequence, &ids(&golden["prompt_ids"]), 0, 0)).unwrap();
    assert_eq!(logits.len(), expected.len());
    logits.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Logits of transformers itself, from the configuration that it ran.
#[test]
fn configurations_of_transformers_are_understood() {
    let Some(folder) = common::assets("arch") else { return };
    let tokenizer = br#"{"model": {}}"#.to_vec();
    for name in ["llama", "llama-bias", "llama3-rope", "qwen2", "qwen2-yarn", "qwen3"] {
        let golden: Value =
            serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap();
        let expected = common::f32s(&std::fs::read(folder.join(format!("{name}.logits.f32.bin"))).unwrap());
        let mut config = golden["hf_config"].clone();
        let tensors = as_transformers(&folder.join(format!("{name}.gguf")), &config);
        let files = |config: &Value| {
            vec![config.to_string().into_bytes(), tokenizer.clone(), safetensors("F32", &tensors)]
        };
        let found = distance(&golden, &expected, &memory(files(&config)));
        assert!(found < tolerance::F32_LOGITS, "{name}: logits are off by {found}");

        // The same in the words of transformers 4.
        let mut rope = config.as_object_mut().unwrap().remove("rope_parameters").unwrap();
        config["rope_theta"] = rope.as_object_mut().unwrap().remove("rope_theta").unwrap();
        if let Some(kind) = rope.as_object_mut().unwrap().remove("rope_type").filter(|kind| kind != "default")
        {
            rope["type"] = kind;
        }
        config["rope_scaling"] = if rope["type"].is_null() { Value::Null } else { rope };
        let found = distance(&golden, &expected, &memory(files(&config)));
        assert!(found < tolerance::F32_LOGITS, "{name} in the older words: logits are off by {found}");

        // Without the scaling, or with another base, it shows.
        let mut broken = Vec::new();
        if !config["rope_scaling"].is_null() {
            let mut unscaled = config.clone();
            unscaled["rope_scaling"] = Value::Null;
            broken.push(unscaled);
        }
        config["rope_theta"] = json!(config["rope_theta"].as_f64().unwrap() * 3.0);
        broken.push(config);
        for config in broken {
            let found = distance(&golden, &expected, &memory(files(&config)));
            assert!(found > 10.0 * tolerance::F32_LOGITS, "{name}: another rope is off by only {found}");
        }
    }
}

/// Llama 3's divisors, computed from the configuration, are those that the converter stored.
#[test]
fn divisors_of_llama_3_follow_from_the_configuration() {
    let Some(folder) = common::assets("arch") else { return };
    let config: Value =
        serde_json::from_slice(&std::fs::read(folder.join("llama3-rope.json")).unwrap()).unwrap();
    let config = &config["hf_config"];
    let tensors = as_transformers(&folder.join("llama3-rope.gguf"), config);
    let parts = memory(vec![
        config.to_string().into_bytes(),
        br#"{"model": {}}"#.to_vec(),
        safetensors("F32", &tensors),
    ]);
    let rope = Spec::read(&block_on(Directory::read(&parts)).unwrap().table).unwrap().ropes[0];
    let stored = open(&folder, &["llama3-rope.gguf"]);
    let gguf = block_on(Gguf::read(&stored)).unwrap();
    let plain = Spec::read(&gguf).unwrap().ropes[0];
    assert_eq!(plain.factors, RopeFactors::Always);
    let divisors = block_on(tabmind::weights::load_vector(
        gguf.tensor("rope_freqs.weight").unwrap(),
        stored[0].as_ref(),
    ))
    .unwrap();
    let (computed, expected) = (rope.table(None), plain.table(Some(&divisors)));
    assert!(
        divisors.contains(&1.0) && divisors.contains(&8.0) && divisors.iter().any(|&d| d > 1.1 && d < 7.9),
        "all three bands"
    );
    for (computed, expected) in computed.frequencies.iter().zip(&expected.frequencies) {
        assert!((computed / expected - 1.0).abs() < 1e-6, "{computed} for {expected}");
    }
}

/// Half-precision types, and weights in several files with an index.
#[test]
fn types_and_several_files() {
    let Some(folder) = common::assets("arch") else { return };
    let golden: Value = serde_json::from_slice(&std::fs::read(folder.join("qwen3.json")).unwrap()).unwrap();
    let expected = common::f32s(&std::fs::read(folder.join("qwen3.logits.f32.bin")).unwrap());
    let config = golden["hf_config"].to_string().into_bytes();
    let tensors = as_transformers(&folder.join("qwen3.gguf"), &golden["hf_config"]);
    // The upper half of an f32; exact for norms of ones, off by 2^-8 elsewhere.
    let halved: Tensors = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            (name.clone(), shape.clone(), bytes.chunks(4).flat_map(|b| [b[2], b[3]]).collect())
        })
        .collect();
    let bf16 = distance(
        &golden,
        &expected,
        &memory(vec![config.clone(), br#"{"model": {}}"#.to_vec(), safetensors("BF16", &halved)]),
    );
    assert!(bf16 > tolerance::F32_LOGITS && bf16 < 1.0, "bf16 weights are off by {bf16}");
    let (first, second) = tensors.split_at(tensors.len() / 2);
    let map = |file: &str, tensors: &[(String, Vec<usize>, Vec<u8>)]| {
        tensors.iter().map(|(name, ..)| (name.clone(), json!(file))).collect::<Map<_, _>>()
    };
    let mut weight_map = map("model-00001-of-00002.safetensors", first);
    weight_map.extend(map("model-00002-of-00002.safetensors", second));
    let index = json!({ "metadata": { "total_size": 1 }, "weight_map": weight_map }).to_string().into_bytes();
    let mut files = vec![
        safetensors("F32", &second.to_vec()),
        index,
        config,
        br#"{"model": {}}"#.to_vec(),
        safetensors("F32", &first.to_vec()),
    ];
    let found = distance(&golden, &expected, &memory(files.clone()));
    assert!(found < tolerance::F32_LOGITS, "two files: logits are off by {found}");
    files.pop();
    expect(
        block_on(Directory::read(&memory(files))).map(drop),
        ErrorKind::InvalidRequest,
        "model-00001-of-00002.safetensors",
        "a file is missing",
    );
}

#[track_caller]
fn expect(found: Result<()>, kind: ErrorKind, words: &str, case: &str) {
    let error = found.err().unwrap_or_else(|| panic!("{case}: no error"));
    assert_eq!(error.kind(), kind, "{case}: {error}");
    let text = format!("{error} {}", error.hint().unwrap_or(""));
    assert!(text.contains(words), "{case}: {text:?} does not say {words:?}");
}

#[test]
fn wrong_directories_are_named() {
    let Some(folder) = common::assets(FOLDER) else { return };
    let files: Vec<Vec<u8>> = FILES.iter().map(|name| std::fs::read(folder.join(name)).unwrap()).collect();
    let config: Value = serde_json::from_slice(&files[0]).unwrap();
    let with_file = |index: usize, bytes: Vec<u8>| {
        let mut files = files.clone();
        files[index] = bytes;
        load(memory(files), "{}").map(drop)
    };
    let with_config = |field: &str, value: Value| {
        let mut config = config.clone();
        config[field] = value;
        with_file(0, config.to_string().into_bytes())
    };
    let without = |name: &str| {
        let names: Vec<&str> = FILES.into_iter().filter(|other| *other != name).collect();
        load(open(&folder, &names), "{}").map(drop)
    };
    let weights = &files[3];
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let text = replace_bytes(weights, from.as_bytes(), to.as_bytes());
        with_file(3, text)
    };
    let endless = [&(90u64 << 20).to_le_bytes()[..], &weights[8..]].concat();
    let shifted = [&(100u64).to_le_bytes()[..], &weights[8..]].concat();
    let mut untied = files.clone();
    untied[3] = with_embedding_alone(weights);
    assert!(load(memory(untied.clone()), "{}").is_ok(), "tied, the embedding table is enough");
    let mut untied_config = config.clone();
    untied_config["tie_word_embeddings"] = json!(false);
    untied[0] = untied_config.to_string().into_bytes();
    let untied = load(memory(untied), "{}").map(drop);
    use ErrorKind::*;
    #[rustfmt::skip] // a case is a line
    let cases: Vec<(&str, Result<()>, ErrorKind, &str)> = vec![
        ("no config", without("config.json"), InvalidRequest, "config.json"),
        ("no tokenizer", without("tokenizer.json"), InvalidRequest, "tokenizer.json"),
        ("no weights", without("model.safetensors"), InvalidRequest, ".safetensors file"),
        ("weights alone", load(open(&folder, &["model.safetensors"]), "{}").map(drop), NotGguf, "config.json"),
        ("another family", with_config("model_type", json!("mamba")), UnsupportedArchitecture, "\"mamba\""),
        ("a field is missing", with_config("hidden_size", Value::Null), CorruptFile, "config.json"),
        ("a field of the wrong type", with_config("num_hidden_layers", json!("two")), CorruptFile, "config.json"),
        ("another activation", with_config("hidden_act", json!("gelu")), UnsupportedArchitecture, "hidden_act"),
        ("a sliding window", with_config("use_sliding_window", json!(true)), UnsupportedArchitecture, "use_sliding_window"),
        ("quantised elsewhere", with_config("quantization_config", json!({ "quant_method": "gptq" })), UnsupportedQuantization, "quantization_config"),
        ("an unknown rope", with_config("rope_scaling", json!({ "type": "dynamic", "factor": 2.0 })), UnsupportedArchitecture, "dynamic"),
        ("half a llama3 rope", with_config("rope_scaling", json!({ "type": "llama3", "factor": 2.0 })), CorruptFile, "low_freq_factor"),
        ("more layers than tensors", with_config("num_hidden_layers", json!(3)), CorruptFile, "blk.2"),
        ("another width", with_config("hidden_size", json!(64)), CorruptFile, "embedding_length"),
        ("untied without an output", untied, CorruptFile, "lm_head.weight"),
        ("broken JSON", with_file(0, b"{\"model_type\": \"llama\",".to_vec()), CorruptFile, "cannot be read"),
        ("a broken vocabulary", with_file(1, br#"{"model": {"type": "BPE"}}"#.to_vec()), CorruptFile, "tokenizer.json"),
        ("an unknown type", replaced("\"F32\"", "\"F64\""), UnsupportedQuantization, "has type F64"),
        ("an unknown tensor", replaced("mlp.up_proj", "mlp.xp_proj"), UnsupportedArchitecture, "mlp.xp_proj"),
        ("cut weights", with_file(3, weights[..weights.len() - 1000].to_vec()), TruncatedFile, "cut off"),
        ("a header beyond the file", with_file(3, endless), InvalidRequest, "neither JSON nor safetensors"),
        ("half a header", with_file(3, shifted), CorruptFile, "header of a safetensors file"),
        ("offsets that overflow", replaced("[0,1048576]", "[9,1048576]"), CorruptFile, "lm_head.weight has 262144 elements"),
    ];
    for (case, found, kind, words) in cases {
        expect(found, kind, words, case);
    }
}

/// Every occurrence replaced, in bytes.
fn replace_bytes(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "there is something to replace");
    places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to));
    bytes
}

/// A file whose embedding table is called that, and has no output projection.
fn with_embedding_alone(weights: &[u8]) -> Vec<u8> {
    let length = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(weights[8..8 + length].to_vec())
        .unwrap()
        .replace("\"lm_head.weight\":{", "\"model.embed_tokens.weight\":{");
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &weights[8 + length..]].concat()
}

/// Damaged configurations and headers: a typed error or a model, within a budget of memory.
#[test]
fn damaged_directories_are_survived() {
    let Some(folder) = common::assets("arch") else { return };
    let golden: Value =
        serde_json::from_slice(&std::fs::read(folder.join("llama3-rope.json")).unwrap()).unwrap();
    let config = golden["hf_config"].to_string().into_bytes();
    let tensors = as_transformers(&folder.join("llama3-rope.gguf"), &golden["hf_config"]);
    let weights = safetensors("F32", &tensors);
    let draw = |files: Vec<Vec<u8>>| {
        let parts = memory(files);
        block_on(async {
            let table = Directory::read(&parts).await?.table;
            Blueprint::draw(Spec::read(&table)?, &table, &parts, None).await.map(drop)
        })
    };
    let tokenizer = br#"{"model": {}}"#.to_vec();
    let budget = |len: usize| 16 * len + (4 << 20);
    let accepted = damage::fuzz(&config, 1.0, 4_000, budget, |config| {
        draw(vec![config.to_vec(), tokenizer.clone(), weights.clone()])
    });
    assert!(accepted > 50, "much damage is harmless: {accepted} configurations are accepted");
    let header = f64::from(u32::from_le_bytes(weights[..4].try_into().unwrap())) / weights.len() as f64;
    assert!(draw(vec![config.clone(), tokenizer.clone(), weights.clone()]).is_ok(), "undamaged, it works");
    damage::fuzz(&weights, header, 2_000, budget, |weights| {
        draw(vec![config.clone(), tokenizer.clone(), weights.to_vec()])
    });
}
