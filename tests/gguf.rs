//! The container: what a header can say, and what a broken one leads to: a typed error, never a panic, never
//! more memory than the file gives reason for.

mod common;
#[path = "common/damage.rs"]
mod damage;
#[path = "common/gguf.rs"]
mod gguf;
#[path = "common/heap.rs"]
mod heap;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use damage::{fuzz, survives};
use gguf::{Writer, array, byte_model, f32_bytes, micro_model, noise, string};
use pollster::block_on;
use tabmind::cancel::Cancel;
use tabmind::gguf::{Array, Gguf, Value};
use tabmind::kernels::formats::Format;
use tabmind::model::Model;
use tabmind::network::Blueprint;
use tabmind::request::{LoadOptions, Request, parse};
use tabmind::source::{LocalFuture, MemorySource, Source};
use tabmind::spec::Spec;
use tabmind::{Error, ErrorKind, Result};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

fn memory(files: &[Vec<u8>]) -> Vec<Box<dyn Source>> {
    files.iter().map(|bytes| -> Box<dyn Source> { Box::new(MemorySource::new(bytes.clone())) }).collect()
}

fn read(bytes: &[u8]) -> Result<Gguf> {
    block_on(Gguf::read(&memory(&[bytes.to_vec()])))
}

/// Loads a model with a short context and lets it write a little.
fn load_and_generate(bytes: &[u8]) -> Result<String> {
    let options: LoadOptions = parse(r#"{"contextLength": 8}"#).unwrap();
    let parts = memory(&[bytes.to_vec()]);
    block_on(async {
        let model = Model::load(parts, &options, &Cancel::never(), &mut |_| {}).await?;
        let request = Request::parse(
            r#"{"kind": "completion", "params": {"prompt": "ab c", "max_tokens": 2, "seed": 1}}"#,
        )?;
        let outcome = model.generate(&request, &Cancel::never(), &mut |_| {}).await?;
        Ok(outcome.choices[0].text.clone())
    })
}

/// Every value that metadata can hold, and how it reads.
fn every_type() -> Vec<(&'static str, u32, Vec<u8>, Value)> {
    let nested = array(9, &[array(4, &[7u32.to_le_bytes().to_vec()]), array(8, &[string("x"), string("")])]);
    vec![
        ("u8", 0, vec![200], Value::U8(200)),
        ("i8", 1, vec![0x80], Value::I8(-128)),
        ("u16", 2, 0xfedcu16.to_le_bytes().into(), Value::U16(0xfedc)),
        ("i16", 3, (-2i16).to_le_bytes().into(), Value::I16(-2)),
        ("u32", 4, u32::MAX.to_le_bytes().into(), Value::U32(u32::MAX)),
        ("i32", 5, i32::MIN.to_le_bytes().into(), Value::I32(i32::MIN)),
        ("f32", 6, 1.5f32.to_le_bytes().into(), Value::F32(1.5)),
        ("true", 7, vec![1], Value::Bool(true)),
        ("false", 7, vec![0], Value::Bool(false)),
        ("string", 8, string("größer"), Value::Str("größer".into())),
        ("u64", 10, u64::MAX.to_le_bytes().into(), Value::U64(u64::MAX)),
        ("i64", 11, i64::MIN.to_le_bytes().into(), Value::I64(i64::MIN)),
        ("f64", 12, (-0.1f64).to_le_bytes().into(), Value::F64(-0.1)),
        ("u8s", 9, array(0, &[vec![255], vec![1]]), Value::Array(Array::Ints(vec![255, 1]))),
        ("i16s", 9, array(3, &[(-3i16).to_le_bytes().into()]), Value::Array(Array::Ints(vec![-3]))),
        ("i64s", 9, array(11, &[(-3i64).to_le_bytes().into()]), Value::Array(Array::Ints(vec![-3]))),
        ("f32s", 9, array(6, &[0.5f32.to_le_bytes().into()]), Value::Array(Array::Floats(vec![0.5]))),
        ("f64s", 9, array(12, &[0.1f64.to_le_bytes().into()]), Value::Array(Array::Floats(vec![0.1]))),
        ("bools", 9, array(7, &[vec![0], vec![1]]), Value::Array(Array::Bools(vec![false, true]))),
        (
            "strings",
            9,
            array(8, &[string("a"), string("b")]),
            Value::Array(Array::Strs(vec!["a".into(), "b".into()])),
        ),
        ("empty", 9, array(8, &[]), Value::Array(Array::Strs(vec![]))),
        (
            "nested",
            9,
            nested,
            Value::Array(Array::Arrays(vec![
                Array::Ints(vec![7]),
                Array::Strs(vec!["x".into(), String::new()]),
            ])),
        ),
    ]
}

#[test]
fn both_versions_read_every_type() {
    for version in [2, 3] {
        let mut file = Writer { version, ..Writer::default() };
        for (key, value_type, bytes, _) in every_type() {
            file.raw(key, value_type, bytes);
        }
        let values = noise(1, 12);
        file.tensor("matrix", &[4, 3], Format::F32, f32_bytes(&values)).tensor(
            "cube",
            &[2, 1, 3, 2],
            Format::F16,
            vec![0; 24],
        );
        let gguf = read(&file.build()).unwrap();
        for (key, _, _, expected) in every_type() {
            assert_eq!(gguf.metadata.get(key), Some(&expected), "{key} in version {version}");
        }
        let (matrix, cube) = (gguf.tensor("matrix").unwrap(), gguf.tensor("cube").unwrap());
        assert_eq!((matrix.columns(), matrix.rows(), matrix.bytes, matrix.format), (4, 3, 48, Format::F32));
        assert_eq!((cube.columns(), cube.rows(), cube.bytes, cube.format), (2, 6, 24, Format::F16));
        let start = matrix.offset as usize;
        assert_eq!(file.build()[start..start + 48], f32_bytes(&values), "the offset leads to the bytes");
    }
}

#[test]
fn tensors_lie_where_the_alignment_puts_them() {
    for alignment in [1, 8, 64, 4096] {
        let mut file = Writer { alignment, ..Writer::default() };
        file.u32("general.alignment", alignment as u32);
        file.tensor("a", &[1], Format::F32, vec![1; 4]).tensor("b", &[3], Format::F32, vec![2; 12]);
        let bytes = file.build();
        let gguf = read(&bytes).unwrap();
        let b = gguf.tensor("b").unwrap().offset as usize;
        assert_eq!((b % alignment, &bytes[b..b + 12]), (0, &[2; 12][..]), "alignment {alignment}");
    }
}

/// A model in `count` files, a tensor in each.
fn split(count: u16) -> Vec<Vec<u8>> {
    let part = |number: u16| {
        let mut file = Writer::default();
        file.u16("split.no", number).u16("split.count", count);
        if number == 0 {
            file.str("general.name", "whole");
        }
        file.tensor(&format!("t{number}"), &[2], Format::F32, f32_bytes(&[f32::from(number); 2])).build()
    };
    (0..count).map(part).collect()
}

#[test]
fn split_models_are_read_in_order_or_not_at_all() {
    let parts = split(3);
    let gguf = block_on(Gguf::read(&memory(&parts))).unwrap();
    assert_eq!(gguf.metadata.str("general.name"), Some("whole"));
    let places: Vec<(&str, usize)> =
        gguf.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.part)).collect();
    assert_eq!(places, [("t0", 0), ("t1", 1), ("t2", 2)]);
    assert_eq!(gguf.total_bytes, parts.iter().map(|part| part.len() as u64).sum::<u64>());
    let cases = [
        (vec![0, 2, 1], "split.no"),
        (vec![1, 0, 2], "split.no"),
        (vec![0, 1], "split into 3 files, 2 given"),
        (vec![0], "split into 3 files, 1 given"),
        (vec![0, 1, 2, 2], "split into 3 files, 4 given"),
        (vec![], "at least one file"),
    ];
    for (order, words) in cases {
        let files: Vec<Vec<u8>> = order.iter().map(|&index| parts[index].clone()).collect();
        expect(
            block_on(Gguf::read(&memory(&files))),
            ErrorKind::InvalidRequest,
            words,
            &format!("{order:?}"),
        );
    }
    let twice = [split(2)[0].clone(), {
        let mut file = Writer::default();
        file.u16("split.no", 1).u16("split.count", 2).tensor("t0", &[1], Format::F32, vec![0; 4]).build()
    }];
    expect(
        block_on(Gguf::read(&memory(&twice))),
        ErrorKind::CorruptFile,
        "t0 appears twice",
        "a tensor in two files",
    );
}

/// Counts what is read of `bytes`; `knows_len` is false for servers that do not tell.
struct Watched {
    bytes: Vec<u8>,
    knows_len: bool,
    reads: Rc<RefCell<Vec<(u64, u64)>>>,
}

impl Source for Watched {
    fn len(&self) -> Option<u64> {
        self.knows_len.then_some(self.bytes.len() as u64)
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
        self.reads.borrow_mut().push((offset, len));
        let clamp = |at: u64| (at as usize).min(self.bytes.len());
        Box::pin(std::future::ready(Ok(self.bytes[clamp(offset)..clamp(offset + len)].to_vec())))
    }
}

#[test]
fn only_the_beginning_is_read_for_the_header() {
    let small = byte_model();
    let mut large = byte_model();
    large.strs("padding", &(0..60_000).map(|i| format!("token number {i}")).collect::<Vec<_>>());
    for (mut file, most_reads) in [(small, 1), (large, 5)] {
        file.tensor("weights", &[1 << 20, 2], Format::F32, vec![0; 8 << 20]);
        for knows_len in [true, false] {
            let reads = Rc::new(RefCell::new(Vec::new()));
            let watched = Watched { bytes: file.build(), knows_len, reads: Rc::clone(&reads) };
            let gguf = block_on(Gguf::read(&[Box::new(watched)])).unwrap();
            assert_eq!(gguf.tensor("weights").unwrap().bytes, 8 << 20);
            let reads = reads.borrow();
            let end = reads.iter().map(|(offset, len)| offset + len).max().unwrap();
            assert!(
                end <= 2 * file.header().len() as u64 + (256 << 10),
                "{end} of {} are read",
                file.header().len()
            );
            assert!(reads.len() <= most_reads, "{reads:?}");
            let mut next = 0;
            for (offset, len) in reads.iter() {
                assert_eq!(*offset, next, "no byte is read twice: {reads:?}");
                next = offset + len;
            }
        }
    }
}

#[track_caller]
fn expect<T: std::fmt::Debug>(found: Result<T>, kind: ErrorKind, words: &str, case: &str) {
    let error: Error = found.err().unwrap_or_else(|| panic!("{case}: no error"));
    assert_eq!(error.kind(), kind, "{case}: {error}");
    let text = format!("{error} {}", error.hint().unwrap_or(""));
    assert!(text.contains(words), "{case}: {text:?} does not say {words:?}");
}

/// A model file with one thing changed.
fn changed(change: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut file = micro_model();
    change(&mut file);
    file.build()
}

/// A model file without the tensor `name`.
fn without(name: &str) -> Vec<u8> {
    changed(|file| file.tensors.retain(|tensor| tensor.0 != name))
}

fn cut(len: usize) -> Vec<u8> {
    micro_model().build()[..len].to_vec()
}

fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = micro_model().build();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn bad_files_are_named() {
    use ErrorKind::*;
    let whole = micro_model().build().len();
    let header = micro_model().header().len();
    let html = b"  \n<!DOCTYPE html><html><body>Not Found</body></html>".to_vec();
    #[rustfmt::skip] // a case is a line
    let cases: Vec<(&str, Vec<u8>, ErrorKind, &str)> = vec![
        ("empty", vec![], NotGguf, "empty"),
        ("one byte", vec![b'G'], TruncatedFile, "cut off"),
        ("another format", b"PK\x03\x04 and more of a zip file".to_vec(), NotGguf, "50 4b 03 04"),
        ("text", b"version https://git-lfs.github.com/spec/v1".to_vec(), NotGguf, "begins with 76 65 72 73"),
        ("a web page", html, NotGguf, "web page"),
        ("an XML error", b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>".to_vec(), NotGguf, "web page"),
        ("cut in the magic", cut(3), TruncatedFile, "cut off"),
        ("cut in the counts", cut(20), TruncatedFile, "cut off"),
        ("cut in the metadata", cut(200), TruncatedFile, "cut off"),
        ("cut in the tensor table", cut(header - 100), TruncatedFile, "cut off"),
        ("cut after the header", cut(header), TruncatedFile, "tensor token_embd.weight ends at byte"),
        ("cut in the data", cut(whole - 64), TruncatedFile, "the file has"),
        ("version 1", patched(4, &1u32.to_le_bytes()), UnsupportedVersion, "version 1"),
        ("version 4", patched(4, &4u32.to_le_bytes()), UnsupportedVersion, "version 4"),
        ("version 0", patched(4, &0u32.to_le_bytes()), UnsupportedVersion, "version 0"),
        ("big-endian", patched(4, &3u32.to_be_bytes()), UnsupportedVersion, "big-endian"),
        ("endless tensors", patched(8, &u64::MAX.to_le_bytes()), CorruptFile, "tensor count"),
        ("too many tensors", patched(8, &100_000u64.to_le_bytes()), TruncatedFile, "tensor count"),
        ("endless metadata", patched(16, &u64::MAX.to_le_bytes()), CorruptFile, "metadata count"),
        ("too much metadata", patched(16, &100_000u64.to_le_bytes()), TruncatedFile, "metadata count"),
        ("an endless key", patched(24, &u64::MAX.to_le_bytes()), CorruptFile, "metadata key"),
        ("a key longer than the file", patched(24, &60_000u64.to_le_bytes()), TruncatedFile, "metadata key"),
        ("an endless string", changed(|f| { f.raw("k", 8, u64::MAX.to_le_bytes().into()); }), CorruptFile, "k at byte"),
        ("an endless array", changed(|f| { f.raw("k", 9, [&0u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat()); }), CorruptFile, "k at byte"),
        ("an array longer than the file", changed(|f| { f.raw("k", 9, [&8u32.to_le_bytes()[..], &100_000u64.to_le_bytes()].concat()); }), TruncatedFile, "k at byte"),
        ("an unknown value type", changed(|f| { f.raw("k", 13, vec![0; 8]); }), CorruptFile, "k has unknown type 13"),
        ("an unknown element type", changed(|f| { f.raw("k", 9, array(77, &[])); }), CorruptFile, "k is an array of unknown type 77"),
        ("arrays without end", changed(|f| { f.raw("k", 9, (0..8).fold(array(0, &[]), |inner, _| array(9, &[inner]))); }), CorruptFile, "k nests arrays too deeply"),
        ("a boolean of 2", changed(|f| { f.raw("k", 7, vec![2]); }), CorruptFile, "k is a boolean of value 2"),
        ("a key twice", changed(|f| f.pairs.push(("general.name".into(), 7, vec![1]))), CorruptFile, "general.name appears twice"),
        ("an odd alignment", changed(|f| { f.u32("general.alignment", 24); }), CorruptFile, "general.alignment is 24"),
        ("no alignment", changed(|f| { f.u32("general.alignment", 0); }), CorruptFile, "general.alignment is 0"),
        ("a textual alignment", changed(|f| { f.str("general.alignment", "32"); }), CorruptFile, "general.alignment"),
        ("an unknown tensor type", changed(|f| f.tensors[0].2 = 99), UnsupportedQuantization, "tensor token_embd.weight has type number 99"),
        ("a known foreign type", changed(|f| f.tensors[0].2 = 23), UnsupportedQuantization, "tensor token_embd.weight has type IQ4_XS"),
        ("a tensor without extents", changed(|f| f.tensors[0].1.clear()), CorruptFile, "tensor token_embd.weight has 0 dimensions"),
        ("a tensor of five extents", changed(|f| f.tensors[0].1 = vec![1; 5]), CorruptFile, "tensor token_embd.weight has 5 dimensions"),
        ("an empty tensor", changed(|f| f.tensors[0].1 = vec![8, 0]), CorruptFile, "tensor token_embd.weight has an impossible shape"),
        ("a tensor that overflows", changed(|f| f.tensors[0].1 = vec![1 << 33, 1 << 33]), CorruptFile, "tensor token_embd.weight has an impossible shape"),
        ("half a block", changed(|f| f.tensors[0].2 = Format::Q8_0.ggml_id()), CorruptFile, "no multiple of Q8_0's block of 32"),
        ("a tensor twice", changed(|f| f.tensors[1].0 = "token_embd.weight".into()), CorruptFile, "tensor token_embd.weight appears twice"),
        ("no architecture", changed(|f| { f.remove("general.architecture"); }), CorruptFile, "general.architecture is missing"),
        ("an unknown architecture", changed(|f| { f.str("general.architecture", "mamba"); }), UnsupportedArchitecture, "\"mamba\""),
        ("an unknown rope scaling", changed(|f| { f.str("llama.rope.scaling.type", "su"); }), UnsupportedArchitecture, "llama.rope.scaling.type is \"su\""),
        ("experts in a dense family", changed(|f| { f.u32("llama.expert_count", 8); }), UnsupportedArchitecture, "llama.expert_count"),
        ("an encoder", changed(|f| { f.bool("llama.attention.causal", false); }), UnsupportedArchitecture, "llama.attention.causal"),
        ("no embedding table", without("token_embd.weight"), CorruptFile, "tensor token_embd.weight is missing"),
        ("no projection", without("blk.0.attn_k.weight"), CorruptFile, "tensor blk.0.attn_k.weight is missing"),
        ("no final norm", without("output_norm.weight"), CorruptFile, "tensor output_norm.weight is missing"),
        ("a transposed tensor", changed(|f| f.tensors[2].1 = vec![4, 16]), CorruptFile, "blk.0.attn_q.weight has 16 rows of 4; 8 of 8 are expected"),
        ("no vocabulary", changed(|f| { f.remove("tokenizer.ggml.tokens"); }), CorruptFile, "tokenizer.ggml.tokens"),
        ("no tokenizer", changed(|f| { f.remove("tokenizer.ggml.model"); }), CorruptFile, "tokenizer.ggml.model"),
        ("more tokens than rows", changed(|f| { f.tensors[0].1[1] = 15; f.tensors[1].1[1] = 15 }), CorruptFile, "the vocabulary has 16 tokens, the embedding table 15 rows"),
    ];
    for (case, bytes, kind, words) in cases {
        expect(load_and_generate(&bytes), kind, words, case);
    }
    assert!(load_and_generate(&micro_model().build()).is_ok(), "unchanged, the model works");
}

/// What a broken hyper-parameter must lead to: a key of `llama`, its value, words of the message.
#[test]
fn bad_hyper_parameters_are_named() {
    let cases = [
        ("block_count", 0, "llama.block_count is zero"),
        ("block_count", 2, "tensor blk.1.ffn_up.weight is missing"),
        ("block_count", 1_000_000, "llama.block_count is 1000000"),
        ("embedding_length", 0, "llama.embedding_length is zero"),
        ("embedding_length", 9, "llama.embedding_length is 9"),
        ("context_length", 0, "llama.context_length is zero"),
        ("context_length", u32::MAX, "llama.context_length is no sensible size"),
        ("feed_forward_length", 0, "llama.feed_forward_length is missing"),
        ("feed_forward_length", 1 << 23, "ffn_gate.weight has 16 rows"),
        ("attention.head_count", 0, "llama.attention.head_count is missing"),
        ("attention.head_count", 1 << 24, "do not share"),
        ("attention.head_count", 3, "a head has 2"),
        ("attention.head_count_kv", 0, "do not share 0"),
        ("attention.key_length", 0, "llama.attention.key_length is zero"),
        ("attention.key_length", 1 << 20, "blk.0.attn_q.weight has 8 rows"),
        ("attention.value_length", 1 << 24, "blk.0.attn_v.weight has 4 rows"),
        ("rope.dimension_count", 3, "llama.rope.dimension_count is 3"),
        ("rope.dimension_count", 0, "llama.rope.dimension_count is 0"),
        ("rope.dimension_count", 6, "a head has 4"),
    ];
    for (key, value, words) in cases {
        let bytes = changed(|file| {
            file.u32(&format!("llama.{key}"), value);
            // A number of heads that divides nothing must not be caught by the key-value heads first.
            if (key, value) == ("attention.head_count", 1 << 24) {
                file.u32("llama.attention.head_count_kv", 3);
            }
        });
        let before = heap::in_use();
        heap::reset_peak();
        expect(load_and_generate(&bytes), ErrorKind::CorruptFile, words, &format!("{key} = {value}"));
        assert!(heap::peak() - before < 1 << 20, "{key} = {value} takes {} bytes", heap::peak() - before);
    }
    for (key, value) in [
        ("rope.freq_base", 0.0),
        ("rope.freq_base", -1.0),
        ("rope.freq_base", f32::NAN),
        ("attention.layer_norm_rms_epsilon", -1.0),
        ("attention.scale", f32::INFINITY),
    ] {
        let bytes = changed(|file| {
            file.f32(&format!("llama.{key}"), value);
        });
        expect(load_and_generate(&bytes), ErrorKind::CorruptFile, key, &format!("{key} = {value}"));
    }
}

/// A file whose weights are no numbers is found out at the first token.
#[test]
fn weights_that_are_no_numbers_are_noticed() {
    let bytes = changed(|file| file.tensors[1].3 = f32_bytes(&[f32::NAN; 128]));
    expect(load_and_generate(&bytes), ErrorKind::NumericError, "finite", "NaN in the output projection");
}

#[test]
fn the_harness_notices_panics_and_memory() {
    assert!(survives(&[1], 0, |_| Ok(())).is_ok());
    assert!(
        survives(&[1], 1 << 20, |bytes| {
            assert!(bytes.is_empty());
            Ok(())
        })
        .is_err()
    );
    let allocate = |_: &[u8]| {
        drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 20)));
        Ok(())
    };
    assert!(survives(&[1], 1 << 19, allocate).is_err());
    assert!(survives(&[1], 1 << 21, allocate).is_ok());
}

/// What reading a header may take: the file, its copy in the source, and everything as owned values.
fn header_budget(len: usize) -> usize {
    24 * len + (64 << 10)
}

/// What loading and running may take beside that: the weights as the engine keeps them, caches, a tokenizer.
fn model_budget(len: usize) -> usize {
    48 * len + (2 << 20)
}

/// Reads the header, the spec, and looks up every tensor.
fn draw(bytes: &[u8]) -> Result<()> {
    let parts = memory(&[bytes.to_vec()]);
    block_on(async {
        let gguf = Gguf::read(&parts).await?;
        Blueprint::draw(Spec::read(&gguf)?, &gguf, &parts, None).await.map(drop)
    })
}

#[test]
fn damaged_headers_are_survived() {
    let file = micro_model().build();
    let reach = micro_model().header().len() as f64 / file.len() as f64;
    let accepted = fuzz(&file, reach, 20_000, header_budget, |bytes| read(bytes).map(drop));
    assert!(accepted > 1000, "much damage is harmless: {accepted} headers are read");
}

#[test]
fn damaged_models_are_survived() {
    let file = micro_model().build();
    let accepted = fuzz(&file, 1.0, 20_000, model_budget, |bytes| load_and_generate(bytes).map(drop));
    assert!(accepted > 1000, "much damage is harmless: {accepted} models write");
}

#[test]
fn damaged_models_of_every_architecture_are_survived() {
    let Some(folder) = common::assets("arch") else { return };
    for path in files(&folder).iter().filter(|path| !path.to_string_lossy().contains("256")) {
        let file = std::fs::read(path).unwrap();
        let header = read(&file).unwrap().tensors[0].offset as f64 / file.len() as f64;
        fuzz(&file, header, 60, model_budget, draw);
        fuzz(&file, header, 8, model_budget, |bytes| load_and_generate(bytes).map(drop));
    }
}

/// Every integer of the metadata of every architecture, replaced by each of a few extreme ones.
#[test]
fn extreme_hyper_parameters_are_survived() {
    let Some(folder) = common::assets("arch") else { return };
    for path in files(&folder).iter().filter(|path| !path.to_string_lossy().contains("256")) {
        let file = std::fs::read(path).unwrap();
        let gguf = read(&file).unwrap();
        let family = gguf.metadata.str("general.architecture").unwrap();
        for (key, _) in gguf
            .metadata
            .iter()
            .filter(|(key, value)| key.starts_with(family) && matches!(value, Value::U32(_) | Value::F32(_)))
        {
            let place =
                file.windows(key.len()).position(|window| window == key.as_bytes()).unwrap() + key.len() + 4;
            for value in [
                0,
                1,
                2,
                3,
                5,
                17,
                0xff,
                1 << 10,
                1 << 16,
                1 << 20,
                1 << 24,
                1 << 30,
                u32::MAX,
                (-1.0f32).to_bits(),
                f32::NAN.to_bits(),
                f32::MAX.to_bits(),
            ] {
                let mut bytes = file.clone();
                bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
                if let Err(what) =
                    survives(&bytes, model_budget(file.len()), |bytes| load_and_generate(bytes).map(drop))
                {
                    panic!("{}: {key} = {value:#x}: {what}", path.display());
                }
            }
        }
    }
}

/// GGUF files in `folder`, in order.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "gguf"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds files", folder.display());
    files
}

/// Inputs that once did harm. The first word of a file's name is the code it must give.
#[test]
fn the_corpus_gives_the_codes_in_its_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gguf-corpus");
    for path in files(&folder) {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let code = RefCell::new("ok");
        survives(&bytes, model_budget(bytes.len()), |bytes| {
            load_and_generate(bytes).map(drop).inspect_err(|error| *code.borrow_mut() = error.kind().code())
        })
        .unwrap();
        assert_eq!(name.split('.').next().unwrap(), *code.borrow(), "{name}");
    }
}
