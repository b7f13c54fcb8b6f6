//! The tokenizer against llama.cpp's vocabulary cases and Hugging Face's ids, and its own laws.

mod common;

use std::collections::BTreeSet;
use std::ops::Range;
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
        let known: BTreeSet<&str> = KNOWN_FAILURES
            .iter()
            .filter(|(suite, ..)| *suite == self.name)
            .map(|&(_, case, _)| case)
            .collect();
        let failed: BTreeSet<&str> = self.failed.iter().map(|(case, _)| case.as_str()).collect();
        let new: Vec<_> = self.failed.iter().filter(|(case, _)| !known.contains(case.as_str())).collect();
        for (case, message) in &new {
            eprintln!("{}: {case:?}\n  {message}", self.name);
        }
        let passing: Vec<_> = known.difference(&failed).collect();
        println!(
            "{}: {} of {} cases, {} known failures",
            self.name,
            self.cases - self.failed.len(),
            self.cases,
            known.len()
        );
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
        let name =
            file.trim_start_matches("ggml-vocab-").trim_end_matches(".gguf").trim_end_matches(".rebuilt");
        let tokenizer = gguf(&path);
        let read =
            |ext: &str| std::fs::read_to_string(dir.join(format!("ggml-vocab-{name}.gguf.{ext}"))).unwrap();
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
    let Some(path) = assets(&format!("goldens/tokenizers/{}.json", suite.rsplit('/').next().unwrap())) else {
        return;
    };
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
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
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
        (
            "tokenizer.ggml.scores",
            Value::Array(Array::Floats(pieces.iter().map(|p| p[1].as_f64().unwrap()).collect())),
        ),
        ("tokenizer.ggml.token_type", Value::Array(Array::Ints(kinds.collect()))),
        (
            "tokenizer.ggml.precompiled_charsmap",
            Value::Array(Array::Ints(map.into_iter().map(i64::from).collect())),
        ),
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
    let mut tokens: Vec<(&String, u64)> = file["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(text, id)| (text, id.as_u64().unwrap()))
        .collect();
    tokens.sort_by_key(|&(_, id)| id);
    let special: BTreeSet<&str> =
        file["added_tokens"].as_array().unwrap().iter().map(|t| t["content"].as_str().unwrap()).collect();
    let mut meta = Metadata::default();
    for (key, value) in [
        ("tokenizer.ggml.model", Value::Str("gpt2".into())),
        ("tokenizer.ggml.pre", Value::Str("smollm".into())),
        ("tokenizer.ggml.tokens", strs(tokens.iter().map(|(text, _)| text.as_str()))),
        (
            "tokenizer.ggml.merges",
            strs(file["model"]["merges"].as_array().unwrap().iter().map(|m| m.as_str().unwrap())),
        ),
        (
            "tokenizer.ggml.token_type",
            Value::Array(Array::Ints(
                tokens.iter().map(|(t, _)| if special.contains(t.as_str()) { 3 } else { 1 }).collect(),
            )),
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
        let (Some(golden), Some(file)) = (assets(&format!("goldens/models/{model}.json")), assets(file))
        else {
            return;
        };
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

// ---- bad vocabularies ----------------------------------------------------------------------------------------

fn ints(items: impl IntoIterator<Item = i64>) -> Value {
    Value::Array(Array::Ints(items.into_iter().collect()))
}

fn floats(items: impl IntoIterator<Item = f64>) -> Value {
    Value::Array(Array::Floats(items.into_iter().collect()))
}

fn meta_of(pairs: &[(&str, Value)]) -> Metadata {
    let mut meta = Metadata::default();
    for (key, value) in pairs {
        meta.insert((*key).to_owned(), value.clone());
    }
    meta
}

/// A small SentencePiece vocabulary; `change` may replace or (with `None`) remove a key.
fn small_spm(change: &[(&str, Option<Value>)]) -> Result<Tokenizer> {
    let mut pairs = vec![
        ("tokenizer.ggml.model", Value::Str("llama".into())),
        ("tokenizer.ggml.tokens", strs(["<unk>", "<s>", "</s>", "▁", "a", "b", "ab", "▁ab"])),
        ("tokenizer.ggml.scores", floats([0.0, 0.0, 0.0, -9.0, -8.0, -7.0, -1.0, -2.0])),
        ("tokenizer.ggml.token_type", ints([2, 3, 3, 1, 1, 1, 1, 1])),
        ("tokenizer.ggml.bos_token_id", Value::U32(1)),
        ("tokenizer.ggml.eos_token_id", Value::U32(2)),
        ("tokenizer.ggml.unknown_token_id", Value::U32(0)),
        ("tokenizer.ggml.padding_token_id", Value::U32(u32::MAX)),
    ];
    for (key, value) in change {
        pairs.retain(|(k, _)| k != key);
        pairs.extend(value.clone().map(|v| (*key, v)));
    }
    Tokenizer::from_gguf(&meta_of(&pairs))
}

/// A small byte-level BPE vocabulary, changed likewise.
fn small_bpe(change: &[(&str, Option<Value>)]) -> Result<Tokenizer> {
    let mut pairs = vec![
        ("tokenizer.ggml.model", Value::Str("gpt2".into())),
        ("tokenizer.ggml.pre", Value::Str("gpt-2".into())),
        ("tokenizer.ggml.tokens", strs(["a", "b", "ab", "Ġ", "Ġab", "<|im_end|>"])),
        ("tokenizer.ggml.merges", strs(["a b", "Ġ ab"])),
        ("tokenizer.ggml.token_type", ints([1, 1, 1, 1, 1, 3])),
    ];
    for (key, value) in change {
        pairs.retain(|(k, _)| k != key);
        pairs.extend(value.clone().map(|v| (*key, v)));
    }
    Tokenizer::from_gguf(&meta_of(&pairs))
}

#[track_caller]
fn refused(tokenizer: Result<Tokenizer>, kind: ErrorKind, names: &str) {
    let error = tokenizer.expect_err("was accepted");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.detail().contains(names), "{error} does not name {names}");
}

#[test]
fn broken_vocabularies_name_the_key() {
    use ErrorKind::{CorruptFile, UnsupportedArchitecture};
    assert!(small_spm(&[]).is_ok() && small_bpe(&[]).is_ok());
    refused(Tokenizer::from_gguf(&Metadata::default()), CorruptFile, "tokenizer.ggml.model");
    for key in ["tokenizer.ggml.tokens", "tokenizer.ggml.scores"] {
        refused(small_spm(&[(key, None)]), CorruptFile, key);
        refused(small_spm(&[(key, Some(Value::U32(1)))]), CorruptFile, key);
    }
    for (key, value) in [
        ("tokenizer.ggml.tokens", strs::<&str>([])),
        ("tokenizer.ggml.tokens", strs(["a", "a"])),
        ("tokenizer.ggml.scores", floats([1.0])),
        ("tokenizer.ggml.token_type", ints([1])),
        ("tokenizer.ggml.token_type", Value::Bool(true)),
        ("tokenizer.ggml.bos_token_id", Value::U32(8)),
        ("tokenizer.ggml.eos_token_id", Value::U32(1000)),
    ] {
        refused(small_spm(&[(key, Some(value))]), CorruptFile, key);
    }
    let no_bos =
        [("tokenizer.ggml.add_bos_token", Some(Value::Bool(true))), ("tokenizer.ggml.bos_token_id", None)];
    refused(small_bpe(&no_bos), CorruptFile, "tokenizer.ggml.bos_token_id");
    refused(small_bpe(&[("tokenizer.ggml.merges", None)]), CorruptFile, "tokenizer.ggml.merges");
    for merges in [strs(["ab"]), strs([""]), strs(["x y"])] {
        refused(small_bpe(&[("tokenizer.ggml.merges", Some(merges))]), CorruptFile, "tokenizer.ggml.merges");
    }
    let named = |key, name: &str| [(key, Some(Value::Str(name.into())))];
    refused(small_bpe(&named("tokenizer.ggml.pre", "of-tomorrow")), UnsupportedArchitecture, "of-tomorrow");
    refused(small_bpe(&named("tokenizer.ggml.model", "rwkv")), UnsupportedArchitecture, "rwkv");
    refused(Tokenizer::from_json(b"{", None), CorruptFile, "tokenizer.json");
    refused(Tokenizer::from_json(b"{}", None), CorruptFile, "tokenizer.json");

    let default = small_bpe(&[("tokenizer.ggml.pre", None)]).unwrap();
    assert!(default.warnings()[0].contains("tokenizer.ggml.pre"));
    assert_eq!(small_spm(&[]).unwrap().special().pad, None, "0xFFFFFFFF is no id");
}

#[test]
fn a_broken_character_map_is_refused() {
    let Some(dir) = assets("tokenizers/t5-small") else { return };
    let text = std::fs::read_to_string(dir.join("tokenizer.json")).unwrap();
    assert!(Tokenizer::from_json(text.as_bytes(), None).is_ok());
    let mut file: Json = serde_json::from_str(&text).unwrap();
    let map = file["normalizer"]["precompiled_charsmap"].as_str().unwrap().to_owned();
    for broken in [
        "",
        "AAAA",
        "////////",
        &map[..map.len() / 2],
        &format!("{}{}", &map[..8], "/".repeat(map.len() - 8)),
    ] {
        file["normalizer"]["precompiled_charsmap"] = json!(broken);
        refused(
            Tokenizer::from_json(&serde_json::to_vec(&file).unwrap(), None),
            ErrorKind::CorruptFile,
            "charsmap",
        );
    }
}

// ---- rules ---------------------------------------------------------------------------------------------------

#[test]
fn special_tokens_are_parsed_only_when_asked() {
    let bpe = small_bpe(&[]).unwrap();
    assert_eq!(bpe.encode("ab<|im_end|>", PARSED).unwrap(), [2, 5]);
    assert_ne!(bpe.encode("ab<|im_end|>", PLAIN).unwrap(), [2, 5]);
    assert!(bpe.is_eog(5) && bpe.is_control(5) && !bpe.is_eog(2));
    assert_eq!((bpe.special().eot, bpe.bos()), (Some(5), None));
    assert_eq!(bpe.token_id("<|im_end|>"), Some(5));
    // user-defined tokens are always seen
    let types = ("tokenizer.ggml.token_type", Some(ints([1, 1, 1, 1, 1, 4])));
    let defined = small_bpe(&[types]).unwrap();
    assert_eq!(defined.encode("ab<|im_end|>", PLAIN).unwrap(), [2, 5]);
}

#[test]
fn sentencepiece_rules() {
    let spm = small_spm(&[]).unwrap();
    assert_eq!(spm.encode("ab", PLAIN).unwrap(), [7]);
    assert_eq!(spm.encode("ab", WHOLE).unwrap(), [1, 7]);
    assert_eq!(spm.encode("ab</s>ab", PARSED).unwrap(), [7, 2, 7]);
    assert_eq!(spm.encode("abéüab", PLAIN).unwrap(), [7, 0, 6], "a run of unknown characters is one token");
    assert_eq!(spm.encode("", WHOLE).unwrap(), [1]);
    assert_eq!(spm.encode("", PLAIN).unwrap(), [] as [u32; 0]);
    assert_eq!(spm.decode(&[1, 7, 7], true), "ab ab");
    assert_eq!(spm.decode(&[1, 7, 7], false), "<s> ab ab");
    let bare = small_spm(&[("tokenizer.ggml.add_space_prefix", Some(Value::Bool(false)))]).unwrap();
    assert_eq!(bare.encode("ab", PLAIN).unwrap(), [6]);
    assert_eq!(bare.decode(&[7], true), " ab");
    // of equal scores the leftmost merges first
    let ties = [
        ("tokenizer.ggml.tokens", Some(strs(["<unk>", "a", "aa", "▁"]))),
        ("tokenizer.ggml.scores", Some(floats([0.0; 4]))),
        ("tokenizer.ggml.token_type", Some(ints([2, 1, 1, 1]))),
        ("tokenizer.ggml.bos_token_id", None),
        ("tokenizer.ggml.eos_token_id", None),
    ];
    assert_eq!(small_spm(&ties).unwrap().encode("aaa", PLAIN).unwrap(), [3, 2, 1]);
}

#[test]
fn gemma4_style_bpe() {
    let tokens = ["<bos>", "<0x0A>", "<0xC3>", "<0xA9>", "a", "b", "ab", "▁", "▁ab", "\n\n"];
    let meta = meta_of(&[
        ("tokenizer.ggml.model", Value::Str("gemma4".into())),
        ("tokenizer.ggml.tokens", strs(tokens)),
        ("tokenizer.ggml.merges", strs(["a b", "▁ ab"])),
        ("tokenizer.ggml.token_type", ints([3, 6, 6, 6, 1, 1, 1, 1, 1, 1])),
        ("tokenizer.ggml.bos_token_id", Value::U32(0)),
    ]);
    let gemma = Tokenizer::from_gguf(&meta).unwrap();
    assert_eq!(gemma.encode("ab ab\n\né", WHOLE).unwrap(), [0, 6, 8, 9, 2, 3]);
    assert_eq!(gemma.decode(&[6, 8, 9, 2, 3], true), "ab ab\n\né");
}

// ---- places --------------------------------------------------------------------------------------------------

/// Where tokens are that make up the text byte by byte, `early` bytes of the first being none of it.
fn expected_spans(tokenizer: &Tokenizer, ids: &[u32], text: &str, early: usize) -> Vec<Range<usize>> {
    let mut next = 0;
    ids.iter()
        .map(|&id| {
            let (start, end) = (next, next + tokenizer.token_bytes(id).len());
            next = end;
            let (start, end) = (start.saturating_sub(early), end.saturating_sub(early));
            if start == end {
                start..end
            } else {
                text.floor_char_boundary(start)..text.ceil_char_boundary(end)
            }
        })
        .collect()
}

#[test]
fn tokens_are_where_their_bytes_are() {
    for (name, tokenizer) in tokenizers() {
        let byte_level = matches!(name, "gpt-2" | "deepseek-coder" | "falcon");
        let prefixed = matches!(name, "llama-spm" | "phi-3");
        proptest!(cases(200), |(text in texts(), parse_special: bool, add_special: bool)| {
            let options = EncodeOptions { add_special, parse_special };
            let tokens = tokenizer.encode_with_spans(&text, options).unwrap();
            prop_assert_eq!(&tokens.ids, &tokenizer.encode(&text, options).unwrap());
            prop_assert_eq!(tokens.spans.len(), tokens.ids.len());
            for span in &tokens.spans {
                prop_assert!(text.get(span.clone()).is_some(), "{}: {:?} is no piece of {:?}", name, span, text);
            }
            prop_assert!(tokens.spans.is_sorted_by_key(|span| span.start), "{}: {:?}", name, tokens.spans);
            let utf16: Vec<u16> = text.encode_utf16().collect();
            for (span, units) in tokens.spans.iter().zip(tokens.utf16_spans(&text)) {
                prop_assert_eq!(String::from_utf16(&utf16[units]).unwrap(), &text[span.clone()]);
            }
            // Signs for a space, and those in front after special tokens, are not told apart from the text's own.
            if (byte_level || prefixed && !text.contains(['\u{2581}', '<']) && !parse_special) && !add_special {
                let early = usize::from(prefixed);
                prop_assert_eq!(&tokens.spans, &expected_spans(&tokenizer, &tokens.ids, &text, early), "{}", name);
            }
        });
    }
}

/// `span` without the white space at its ends.
fn trimmed(text: &str, span: &Range<usize>) -> Range<usize> {
    let piece = &text[span.clone()];
    let start = span.start + piece.len() - piece.trim_start().len();
    start..start + piece.trim().len()
}

/// Rules of a GGUF file, which are ours, against those of `tokenizer.json`, which are the library's. Some of its files
/// leave white space out of the places.
#[test]
fn places_agree_with_the_library() {
    let vocabulary = |name: &str| assets(&format!("vocab/ggml-vocab-{name}.gguf")).map(|path| gguf(&path));
    let pairs = [
        ("qwen3", vocabulary("qwen2.rebuilt"), "tokenizer.rebuilt.json"),
        ("llama3", vocabulary("llama-bpe.rebuilt"), "tokenizer.rebuilt.json"),
        ("phi-3-mini", vocabulary("phi-3"), "tokenizer.json"),
    ];
    for (name, ours, file) in pairs {
        let (Some(ours), Some(theirs)) = (ours, from_json(&format!("tokenizers/{name}"), file)) else {
            continue;
        };
        let golden = read_json(&assets(&format!("goldens/tokenizers/{name}.json")).unwrap());
        let mut suite = Suite::new(format!("places/{name}"));
        for case in golden["cases"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let [ours, theirs] = [&ours, &theirs].map(|t| t.encode_with_spans(text, PLAIN).unwrap());
            if ours.ids == theirs.ids {
                // A space that is put in front is nowhere to us, and a part of the first character to the library.
                let skipped = usize::from(ours.spans.first() == Some(&(0..0)));
                let [ours, theirs] = [ours, theirs].map(|t| {
                    t.spans.iter().skip(skipped).map(|span| trimmed(text, span)).collect::<Vec<_>>()
                });
                suite.check(text, &ours, &theirs);
            }
        }
        suite.finish();
    }
}

#[test]
fn places_of_what_is_rewritten_or_left_out() {
    let spans = |tokenizer: &Tokenizer, text: &str, options| {
        let tokens = tokenizer.encode_with_spans(text, options).unwrap();
        tokens.ids.into_iter().zip(tokens.spans).collect::<Vec<_>>()
    };
    let spm = small_spm(&[]).unwrap();
    assert_eq!(spans(&spm, "ab", WHOLE), [(1, 0..0), (7, 0..2)]);
    assert_eq!(spans(&spm, "ab</s>ab", PARSED), [(7, 0..2), (2, 2..6), (7, 6..8)]);
    assert_eq!(
        spans(&spm, "abéüab", PLAIN),
        [(7, 0..2), (0, 2..6), (6, 6..8)],
        "a run of unknown characters"
    );
    // "x" is not in the vocabulary, and there is no unknown token: it is left out.
    let bpe = small_bpe(&[]).unwrap();
    assert_eq!(spans(&bpe, "xab ab", PLAIN), [(2, 1..3), (4, 3..6)]);
    assert_eq!(spans(&bpe, "ab<|im_end|>ab", PARSED), [(2, 0..2), (5, 2..12), (2, 12..14)]);
    if let Some(path) = assets("vocab/ggml-vocab-bert-bge.gguf") {
        let bert = gguf(&path);
        let text = "Été, naïve!";
        let found: Vec<&str> = spans(&bert, text, WHOLE).into_iter().map(|(_, span)| &text[span]).collect();
        assert_eq!(
            found.concat(),
            "Été,naïve!",
            "without accents and capitals, but where they are: {found:?}"
        );
    }
    if let Some(dir) = assets("tokenizers/t5-small") {
        let t5 = Tokenizer::from_gguf(&t5_metadata(&dir)).unwrap();
        let text = "  One e\u{301}t\u{e9},  two ﬁsh ";
        let found: Vec<&str> = spans(&t5, text, WHOLE).into_iter().map(|(_, span)| &text[span]).collect();
        let words: String = found.concat().split_whitespace().collect();
        assert_eq!(words, "Onee\u{301}t\u{e9},twoﬁsh", "composed, but where they are: {found:?}");
    }
}

// ---- any input -----------------------------------------------------------------------------------------------

/// One tokenizer of each kind, real where the data are there.
fn tokenizers() -> Vec<(&'static str, Tokenizer)> {
    let mut all = vec![("small spm", small_spm(&[]).unwrap()), ("small bpe", small_bpe(&[]).unwrap())];
    for file in ["gpt-2", "llama-spm", "phi-3", "bert-bge", "deepseek-coder", "falcon", "qwen2.rebuilt"] {
        all.extend(assets(&format!("vocab/ggml-vocab-{file}.gguf")).map(|path| (file, gguf(&path))));
    }
    all.extend(
        assets("tokenizers/t5-small").map(|dir| ("t5", Tokenizer::from_gguf(&t5_metadata(&dir)).unwrap())),
    );
    all.extend(from_json("tokenizers/phi-3-mini", "tokenizer.json").map(|t| ("phi-3 json", t)));
    all
}

/// Failures are shown, not kept in a file: what mattered becomes a test of its own.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn texts() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "a",
        "Hello",
        " world",
        "12345",
        "é",
        "e\u{301}",
        "👩‍👩‍👧",
        "🏳️‍🌈",
        "日本",
        "▁",
        "<0x41>",
        "<|im_end|>",
        "</s>",
        "<s>",
        "##",
        "'s",
        "\u{0}",
        "\u{feff}",
        "\u{10ffff}",
        "한국",
        "ﬁ",
        "(",
        "...",
        "?!",
    ]);
    prop_oneof![any::<String>(), prop::collection::vec(words, 0..40).prop_map(|words| words.concat())]
}

#[test]
fn any_text_encodes_and_streams() {
    for (name, tokenizer) in tokenizers() {
        let lossless = matches!(name, "gpt-2" | "llama-spm" | "deepseek-coder" | "falcon");
        proptest!(cases(200), |(text in texts(), parse_special: bool, add_special: bool)| {
            let ids = tokenizer.encode(&text, EncodeOptions { add_special, parse_special }).unwrap();
            prop_assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()), "{}", name);
            if lossless && !parse_special {
                // to SentencePiece the sign for a space is a space
                let text = if name == "llama-spm" { text.replace('▁', " ") } else { text };
                prop_assert_eq!(&tokenizer.decode(&ids, true), &text, "{}", name);
            }
            check_stream(&tokenizer, &ids)?;
        });
        // ids that no text has: halves of characters, control tokens, ids outside the vocabulary
        let beyond = u32::try_from(tokenizer.vocab_size()).unwrap() + 3;
        let any_ids = prop::collection::vec(prop_oneof![0..beyond, 0..300u32, Just(u32::MAX)], 0..60);
        proptest!(cases(200), |(ids in any_ids)| check_stream(&tokenizer, &ids)?);
    }
}

/// The stream gives what decoding the whole gives, and never U+FFFD for a character that comes in pieces.
fn check_stream(tokenizer: &Tokenizer, ids: &[u32]) -> std::result::Result<(), TestCaseError> {
    for skip_special in [true, false] {
        let mut stream = Detokenizer::at_start(tokenizer, skip_special);
        let mut text: String = ids.iter().map(|&id| stream.push(id)).collect();
        text += &stream.finish();
        prop_assert_eq!(&text, &tokenizer.decode(ids, skip_special));
    }
    let mut stream = Detokenizer::continuing(tokenizer, false);
    let mut text: String = ids.iter().map(|&id| stream.push(id)).collect();
    text += &stream.finish();
    let bytes: Vec<u8> = ids.iter().flat_map(|&id| tokenizer.token_bytes(id).to_vec()).collect();
    prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
    Ok(())
}

#[test]
fn a_character_in_pieces_comes_whole() {
    let Some(path) = assets("vocab/ggml-vocab-gpt-2.gguf") else { return };
    let tokenizer = gguf(&path);
    let text = "a👩‍👩‍👧日b";
    let ids = tokenizer.encode(text, PLAIN).unwrap();
    assert!(ids.len() > text.chars().count(), "the emoji are cut into bytes");
    let mut stream = Detokenizer::at_start(&tokenizer, true);
    let pieces: Vec<String> = ids.iter().map(|&id| stream.push(id)).collect();
    assert!(pieces.iter().all(|piece| !piece.contains('\u{fffd}')), "{pieces:?}");
    assert_eq!(pieces.concat(), text);
    // cut off in the middle of a character
    let mut stream = Detokenizer::at_start(&tokenizer, true);
    let cut: String = ids[..2].iter().map(|&id| stream.push(id)).collect();
    assert_eq!((cut.as_str(), stream.finish().as_str()), ("a", "\u{fffd}"));
}

#[test]
fn any_metadata_is_read_or_refused() {
    let word = prop::sample::select(vec![
        "", "a", "b", "ab", "▁", "▁a", "<unk>", "<0x0A>", "<0xZZ>", "</s>", "Ġ", "é", " ", "##a",
    ]);
    let number = prop_oneof![-3..10i64, Just(i64::MAX), Just(i64::MIN)];
    let score = prop_oneof![any::<f64>(), -10.0..0.0];
    let strategy = (
        prop::sample::select(vec!["gpt2", "llama", "bert", "t5", "gemma4"]),
        prop::sample::select(vec!["gpt-2", "default", "qwen2", "llama-bpe", ""]),
        prop::collection::hash_set(word.clone(), 0..10),
        prop::collection::vec((word.clone(), word), 0..4),
        prop::collection::vec(score, 0..12),
        prop::collection::vec(number.clone(), 0..12),
        prop::collection::vec(number, 4),
        prop::collection::vec(any::<u8>(), 0..40),
    );
    proptest!(cases(3000), |((model, pre, tokens, merges, scores, types, ids, map) in strategy, text in texts())| {
        let mut pairs = vec![
            ("tokenizer.ggml.model", Value::Str(model.into())),
            ("tokenizer.ggml.pre", Value::Str(pre.into())),
            ("tokenizer.ggml.tokens", strs(tokens)),
            ("tokenizer.ggml.merges", strs(merges.into_iter().map(|(a, b)| format!("{a} {b}")))),
            ("tokenizer.ggml.scores", floats(scores)),
            ("tokenizer.ggml.precompiled_charsmap", ints(map.into_iter().map(i64::from))),
        ];
        pairs.extend((!types.is_empty()).then(|| ("tokenizer.ggml.token_type", ints(types))));
        for (key, id) in ["bos", "eos", "unknown", "padding"].iter().zip(ids) {
            let key = match *key {
                "bos" => "tokenizer.ggml.bos_token_id",
                "eos" => "tokenizer.ggml.eos_token_id",
                "unknown" => "tokenizer.ggml.unknown_token_id",
                _ => "tokenizer.ggml.padding_token_id",
            };
            pairs.push((key, Value::I64(id)));
        }
        if let Ok(tokenizer) = Tokenizer::from_gguf(&meta_of(&pairs)) {
            for options in [PLAIN, WHOLE] {
                if let Ok(ids) = tokenizer.encode(&text, options) {
                    check_stream(&tokenizer, &ids)?;
                }
            }
        }
    });
}

#[test]
fn long_inputs_are_fast() {
    let word = "ab".repeat(50_000);
    let digits = "1".repeat(100_000);
    let spaces = " ".repeat(100_000);
    let marks = "<".repeat(100_000);
    let prose = "It's the year 2026, and \"she\" said: hello, wörld!\n  ".repeat(2_000);
    for (name, tokenizer) in tokenizers() {
        for (what, text) in
            [("word", &word), ("digits", &digits), ("spaces", &spaces), ("marks", &marks), ("prose", &prose)]
        {
            let start = std::time::Instant::now();
            tokenizer.encode(text, PARSED).unwrap();
            let took = start.elapsed();
            println!("{name}: 100 KB of {what} in {took:?}");
            // Quadratic work on 100 KB takes minutes; this bound is for a loaded machine.
            assert!(took.as_secs() < 5, "{name}: 100 KB of {what} took {took:?}");
        }
    }
}
