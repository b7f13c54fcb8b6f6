//! Loading as a whole: what `load` accepts, refuses and reports.

mod common;

use pollster::block_on;
use tabmind::cancel::Cancel;
use tabmind::request::{LoadOptions, parse};
use tabmind::source::{MemorySource, Source};
use tabmind::{Error, ErrorKind, Model};

fn load(parts: &[&[u8]], options: &str) -> Result<Model, Error> {
    let parts = parts.iter().map(|bytes| Box::new(MemorySource::new(bytes.to_vec())) as Box<dyn Source>);
    let options: LoadOptions = parse(options)?;
    block_on(Model::load(parts.collect(), &options, &Cancel::never(), &mut |_| {}))
}

fn refusal(parts: &[&[u8]], options: &str) -> Error {
    load(parts, options).err().expect("the load is refused")
}

fn stories() -> Option<Vec<u8>> {
    Some(std::fs::read(common::assets("weights/stories260K/stories260K.gguf")?).unwrap())
}

/// `sha256sum stories260K.gguf`
const STORIES: &str = "270cba1bd5109f42d03350f60406024560464db173c0e387d91f0426d3bd256d";

#[test]
fn the_hash_is_compared() {
    let Some(bytes) = stories() else { return };
    assert_eq!(load(&[&bytes], "{}").unwrap().info().sha256, None);
    for hash in [STORIES.to_string(), STORIES.to_uppercase()] {
        let model = load(&[&bytes], &format!(r#"{{"sha256": "{hash}"}}"#)).unwrap();
        assert_eq!(model.info().sha256.as_deref(), Some(STORIES));
    }
    // One bit of the last tensor, one byte behind all of them.
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let longer = [&bytes[..], &[0]].concat();
    for changed in [flipped, longer] {
        let error = refusal(&[&changed], &format!(r#"{{"sha256": "{STORIES}"}}"#));
        assert_eq!(error.kind(), ErrorKind::HashMismatch);
        assert!(error.detail().contains(STORIES), "{error}");
    }
}

#[test]
fn a_hash_is_64_digits_of_one_file() {
    for hash in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
        let error = refusal(&[b"GGUF"], &format!(r#"{{"sha256": "{hash}"}}"#));
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{hash:?}");
        assert!(error.detail().contains("sha256"), "{error}");
    }
    let error = refusal(&[b"GGUF", b"GGUF"], &format!(r#"{{"sha256": "{STORIES}"}}"#));
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.detail().contains("several files"), "{error}");
}
