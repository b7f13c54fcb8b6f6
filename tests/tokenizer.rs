//! The tokenizer against llama.cpp's vocabulary cases and Hugging Face's ids, and its own laws.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::assets;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tabmind::gguf::{Array, Metadata, Parsed, Value, parse_header};
use tabmind::tokenizer::{Detokenizer, EncodeOptions, Tokenizer};
use tabmind::{ErrorKind, Result};

/// Cases that do not come out as expected, with the reason. One that starts to pass fails the test.
const KNOWN_FAILURES: &[(&str, &str, &str)] =
    &[("prompts/tinystories-656K", "f32|text", "the golden's text has the end token twice, its ids once")];

/// Runs every case of a suite, and holds the failures against the table.
#[derive(Default)]
struct Suite {
    name: String,
    cases: usize,
    failed: Vec<(String, String)>,
}

impl Suite {
    fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    fn check<T: PartialEq + std::fmt::Debug>(&mut self, case: &str, found: &T, expected: &T) {
        self.cases += 1;
        if found != expected {
            self.failed.push((case.to_owned(), format!("found    {found:?}\n  expected {expected:?}")));
        }
    }

    #[track_caller]
    fn finish(self) {
        let known: BTreeSet<&str> =
            KNOWN_FAILURES.iter().filter(|(suite, ..)| *suite == self.name).map(|&(_, case, _)| case).collect();
        let failed: BTreeSet<&str> = self.failed.iter().map(|(case, _)| case.as_str()).collect();
        let new: Vec<_> = self.failed.iter().filter(|(case, _)| !known.contains(case.as_str())).collect();
        for (case, message) in &new {
            eprintln!("{}: {case:?}\n  {message}", self.name);
        }
        let passing: Vec<_> = known.difference(&failed).collect();
        println!("{}: {} of {} cases, {} known failures", self.name, self.cases - self.failed.len(), self.cases, known.len());
        assert!(self.cases > 0, "{}: no case was run", self.name);
        assert!(new.is_empty(), "{}: {} of {} cases fail", self.name, new.len(), self.cases);
        assert!(passing.is_empty(), "{}: known failures pass now, strike them off: {passing:?}", self.name);
    }
}

fn metadata(path: &Path) -> Metadata {
    let bytes = std::fs::read(path).unwrap();
    match parse_header(&bytes, Some(bytes.len() as u64)).unwrap() {
        Parsed::Whole(header) => header.metadata,
        Parsed::NeedMore(n) => panic!("{}: needs {n} bytes", path.display()),
    }
}

fn gguf(path: &Path) -> Tokenizer {
    Tokenizer::from_gguf(&metadata(path)).unwrap()
}

const PLAIN: EncodeOptions = EncodeOptions { add_special: false, parse_special: false };
const PARSED: EncodeOptions = EncodeOptions { add_special: false, parse_special: true };
const WHOLE: EncodeOptions = EncodeOptions { add_special: true, parse_special: true };

// ---- llama.cpp's vocabularies --------------------------------------------------------------------------------

#[test]
fn llama_cpp_vocabularies() {
    let Some(dir) = assets("vocab") else { return };
    let mut paths: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "gguf"));
    paths.sort();
    assert!(paths.len() >= 9, "{} vocabularies", paths.len());
    for path in paths {
        let file = path.file_name().unwrap().to_str().unwrap();
        let name = file.trim_start_matches("ggml-vocab-").trim_end_matches(".gguf").trim_end_matches(".rebuilt");
        let tokenizer = gguf(&path);
        let read = |ext: &str| std::fs::read_to_string(dir.join(format!("ggml-vocab-{name}.gguf.{ext}"))).unwrap();
        let (inputs, outputs) = (read("inp"), read("out"));
        let mut suite = Suite::new(format!("vocab/{name}"));
        const END: &str = "\n__ggml_vocab_test__\n";
        let cases: Vec<_> = inputs.strip_suffix(END).unwrap().split(END).collect();
        assert_eq!(cases.len(), outputs.lines().count(), "{name}");
        for (case, line) in cases.iter().zip(outputs.lines()) {
            let expected: Vec<u32> = line.split_whitespace().map(|id| id.parse().unwrap()).collect();
            suite.check(case, &tokenizer.encode(case, PLAIN).unwrap(), &expected);
        }
        suite.finish();
    }
}

// ---- Hugging Face's ids --------------------------------------------------------------------------------------

fn read_json(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn ids_of(value: &Json) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| u32::try_from(id.as_u64().unwrap()).unwrap()).collect()
}

/// What of a golden case is compared besides the ids.
struct Compare {
    with_special: bool,
    /// In TinyStories' tokenizer.json the special tokens are marked `normalized`. The library that made the
    /// goldens normalises their texts, too, and no longer takes them for special when it decodes: `▁<unk>` for
    /// `<unk>`. We print the token. Each text with such a token is a known failure.
    special_prints_space: bool,
}

fn goldens(suite: &str, tokenizer: &Tokenizer, compare: &Compare) {
    let Some(path) = assets(&format!("goldens/tokenizers/{}.json", suite.rsplit('/').next().unwrap())) else { return };
    let golden = read_json(&path);
    let mut suite = Suite::new(suite);
    for case in golden["cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let ids = ids_of(&case["ids"]);
        suite.check(text, &tokenizer.encode(text, PARSED).unwrap(), &ids);
        if compare.with_special && !case["ids_with_special"].is_null() {
            let expected = ids_of(&case["ids_with_special"]);
            suite.check(&format!("{text}|special"), &tokenizer.encode(text, WHOLE).unwrap(), &expected);
        }
        for (key, skip) in [("decoded", false), ("decoded_skip_special", true)] {
            let expected = case[key].as_str().unwrap().to_owned();
            let found = tokenizer.decode(&ids, skip);
            if compare.special_prints_space && ids.iter().any(|&id| id < 3) {
                assert_ne!(found, expected, "a known failure passes now");
                continue;
            }
            suite.check(&format!("{text}|{key}"), &found, &expected);
        }
    }
    suite.finish();
}

fn from_json(folder: &str, file: &str) -> Option<Tokenizer> {
    let dir = assets(folder)?;
    let config = std::fs::read(dir.join("tokenizer_config.json")).ok();
    Some(Tokenizer::from_json(&std::fs::read(dir.join(file)).unwrap(), config.as_deref()).unwrap())
}

#[test]
fn hugging_face_ids_from_tokenizer_json() {
    for (suite, folder, file) in [
        ("json/qwen3", "tokenizers/qwen3", "tokenizer.rebuilt.json"),
        ("json/llama3", "tokenizers/llama3", "tokenizer.rebuilt.json"),
        ("json/phi-3-mini", "tokenizers/phi-3-mini", "tokenizer.json"),
        ("json/t5-small", "tokenizers/t5-small", "tokenizer.json"),
        ("json/tinystories-656K", "weights/tinystories-656K", "tokenizer.json"),
    ] {
        let Some(tokenizer) = from_json(folder, file) else { continue };
        let special_prints_space = folder.ends_with("tinystories-656K");
        goldens(suite, &tokenizer, &Compare { with_special: true, special_prints_space });
    }
    if let Some(dir) = assets("tokenizers/gpt2") {
        let compare = Compare { with_special: true, special_prints_space: false };
        goldens("json/gpt2", &Tokenizer::from_json(&gpt2_json(&dir), None).unwrap(), &compare);
    }
}

/// GPT-2 is there as vocab.json and merges.txt only.
fn gpt2_json(dir: &Path) -> Vec<u8> {
    let merges = std::fs::read_to_string(dir.join("merges.txt")).unwrap();
    let merges: Vec<&str> = merges.lines().filter(|line| !line.starts_with("#version")).collect();
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let whole = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{"id": 50256, "content": "<|endoftext|>", "single_word": false, "lstrip": false,
                          "rstrip": false, "normalized": false, "special": true}],
        "pre_tokenizer": byte_level, "post_processor": null, "decoder": byte_level,
        "model": {"type": "BPE", "vocab": read_json(&dir.join("vocab.json")), "merges": merges},
    });
    serde_json::to_vec(&whole).unwrap()
}

#[test]
fn hugging_face_ids_from_gguf() {
    for (suite, file) in [
        ("gguf/gpt2", "vocab/ggml-vocab-gpt-2.gguf"),
        ("gguf/llama3", "vocab/ggml-vocab-llama-bpe.rebuilt.gguf"),
        ("gguf/qwen3", "vocab/ggml-vocab-qwen2.rebuilt.gguf"),
        ("gguf/phi-3-mini", "vocab/ggml-vocab-phi-3.gguf"),
        ("gguf/tinystories-656K", "weights/tinystories-656K/tinystories-656K-f32.gguf"),
    ] {
        let Some(path) = assets(file) else { continue };
        let with_special = matches!(suite, "gguf/llama3" | "gguf/tinystories-656K");
        let special_prints_space = suite.ends_with("tinystories-656K");
        goldens(suite, &gguf(&path), &Compare { with_special, special_prints_space });
    }
    if let Some(dir) = assets("tokenizers/t5-small") {
        let tokenizer = Tokenizer::from_gguf(&t5_metadata(&dir)).unwrap();
        goldens("gguf/t5-small", &tokenizer, &Compare { with_special: true, special_prints_space: false });
    }
}

fn strs<S: Into<String>>(items: impl IntoIterator<Item = S>) -> Value {
    Value::Array(Array::Strs(items.into_iter().map(Into::into).collect()))
}

/// Metadata as a converter writes it from T5's tokenizer.json: there is no such GGUF among the test data.
fn t5_metadata(dir: &Path) -> Metadata {
    let file = read_json(&dir.join("tokenizer.json"));
    let pieces = file["model"]["vocab"].as_array().unwrap();
    let added: BTreeSet<&str> =
        file["added_tokens"].as_array().unwrap().iter().map(|t| t["content"].as_str().unwrap()).collect();
    let text = |piece: &Json| piece[0].as_str().unwrap().to_owned();
    let kinds = pieces.iter().map(|piece| match piece[0].as_str().unwrap() {
        "<unk>" => 2,
        special if added.contains(special) => 3,
        _ => 1,
    });
    let map = base64(file["normalizer"]["precompiled_charsmap"].as_str().unwrap());
    let mut meta = Metadata::default();
    for (key, value) in [
        ("tokenizer.ggml.model", Value::Str("t5".into())),
        ("tokenizer.ggml.tokens", strs(pieces.iter().map(text))),
        ("tokenizer.ggml.scores", Value::Array(Array::Floats(pieces.iter().map(|p| p[1].as_f64().unwrap()).collect()))),
        ("tokenizer.ggml.token_type", Value::Array(Array::Ints(kinds.collect()))),
        ("tokenizer.ggml.precompiled_charsmap", Value::Array(Array::Ints(map.into_iter().map(i64::from).collect()))),
        ("tokenizer.ggml.eos_token_id", Value::U32(1)),
        ("tokenizer.ggml.unknown_token_id", Value::U32(2)),
    ] {
        meta.insert(key.into(), value);
    }
    meta
}

fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | u32::try_from(alphabet.iter().position(|&a| a == byte).unwrap()).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
        }
    }
    out
}

#[test]
fn smollm2_gguf_equals_its_tokenizer_json() {
    let Some(dir) = assets("tokenizers/smollm2") else { return };
    let Some(cases) = assets("goldens/tokenizers/gpt2.json") else { return };
    let file = read_json(&dir.join("tokenizer.json"));
    let mut tokens: Vec<(&String, u64)> =
        file["model"]["vocab"].as_object().unwrap().iter().map(|(text, id)| (text, id.as_u64().unwrap())).collect();
    tokens.sort_by_key(|&(_, id)| id);
    let special: BTreeSet<&str> =
        file["added_tokens"].as_array().unwrap().iter().map(|t| t["content"].as_str().unwrap()).collect();
    let mut meta = Metadata::default();
    for (key, value) in [
        ("tokenizer.ggml.model", Value::Str("gpt2".into())),
        ("tokenizer.ggml.pre", Value::Str("smollm".into())),
        ("tokenizer.ggml.tokens", strs(tokens.iter().map(|(text, _)| text.as_str()))),
        ("tokenizer.ggml.merges", strs(file["model"]["merges"].as_array().unwrap().iter().map(|m| m.as_str().unwrap()))),
        (
            "tokenizer.ggml.token_type",
            Value::Array(Array::Ints(tokens.iter().map(|(t, _)| if special.contains(t.as_str()) { 3 } else { 1 }).collect())),
        ),
    ] {
        meta.insert(key.into(), value);
    }
    let gguf = Tokenizer::from_gguf(&meta).unwrap();
    let json = from_json("tokenizers/smollm2", "tokenizer.json").unwrap();
    let mut suite = Suite::new("gguf/smollm2");
    for case in read_json(&cases)["cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        for options in [PLAIN, PARSED] {
            suite.check(text, &gguf.encode(text, options).unwrap(), &json.encode(text, options).unwrap());
        }
    }
    suite.finish();
    assert_eq!(gguf.eog(), json.eog());
    assert!(gguf.is_eog(2) && gguf.token_text(2) == "<|im_end|>");
}

// ---- the real models' prompts --------------------------------------------------------------------------------

#[test]
fn prompts_and_texts_of_the_model_goldens() {
    for (model, file) in [
        ("stories260K", "weights/stories260K/stories260K.gguf"),
        ("tinystories-656K", "weights/tinystories-656K/tinystories-656K-f32.gguf"),
    ] {
        let (Some(golden), Some(file)) = (assets(&format!("goldens/models/{model}.json")), assets(file)) else { return };
        let tokenizer = gguf(&file);
        let mut suite = Suite::new(format!("prompts/{model}"));
        for (name, variant) in read_json(&golden)["variants"].as_object().unwrap() {
            let prompt = variant["prompt"].as_str().unwrap();
            let prompt_ids = ids_of(&variant["prompt_ids"]);
            suite.check(name, &tokenizer.encode(prompt, WHOLE).unwrap(), &prompt_ids);
            let Some(text) = variant["text"].as_str() else { continue };
            let ids = ids_of(&variant["greedy_ids"]);
            let found = if text.starts_with('<') {
                tokenizer.decode(&[prompt_ids, ids].concat(), false)
            } else {
                let mut stream = Detokenizer::continuing(&tokenizer, true);
                ids.iter().map(|&id| stream.push(id)).collect::<String>() + &stream.finish()
            };
            suite.check(&format!("{name}|text"), &found, &text.to_owned());
        }
        suite.finish();
    }
}
