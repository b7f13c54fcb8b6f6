//! The embedded model's file: its vocabulary against the library that trained it, its shape against what it promises.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tabmind::gguf::{Header, Parsed, parse_header};
use tabmind::tokenizer::{EncodeOptions, Tokenizer};

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/desk").join(file)
}

fn header() -> (Header, usize) {
    let bytes = std::fs::read(path("desk.gguf")).unwrap();
    match parse_header(&bytes, Some(bytes.len() as u64)).unwrap() {
        Parsed::Whole(header) => (*header, bytes.len()),
        Parsed::NeedMore(n) => panic!("the header needs {n} bytes"),
    }
}

#[test]
fn ids_are_those_of_the_library_that_trained_the_vocabulary() {
    let tokenizer = Tokenizer::from_gguf(&header().0.metadata).unwrap();
    let golden = std::fs::read_to_string(path("eval/golden_ids.jsonl")).unwrap();
    let options = EncodeOptions { add_special: true, parse_special: false };
    let mut cases = 0;
    for line in golden.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let expected: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        let text = case["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text, options).unwrap(), expected, "{text:?}");
        cases += 1;
    }
    assert!(cases > 150, "{cases} cases");
}

#[test]
fn the_file_is_as_small_as_promised_and_its_rows_fit_every_block_format() {
    let (header, bytes) = header();
    assert!(bytes <= 6_000_000, "{bytes} bytes");
    for tensor in header.tensors.iter().filter(|tensor| tensor.shape.len() == 2) {
        assert_eq!(tensor.shape[0] % 256, 0, "{}: {:?}", tensor.name, tensor.shape);
    }
}
