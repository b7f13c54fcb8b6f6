//! What is written is read back by the crate itself: container, hyper-parameters, tensor roles, vocabulary.

use super::quant::QUANTS;
use super::shape::SHAPES;
use super::*;
use tabmind::gguf::Gguf;
use tabmind::source::{LocalFuture, Source};
use tabmind::spec::Spec;
use tabmind::tokenizer::{EncodeOptions, Tokenizer as ReadTokenizer};
use tabmind::weights::Weights;

/// A file of which only the header exists: enough to read everything but weights.
struct HeaderOnly {
    header: Vec<u8>,
    len: u64,
}

impl Source for HeaderOnly {
    fn len(&self) -> Option<u64> {
        Some(self.len)
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, tabmind::Result<Vec<u8>>> {
        let mut bytes = vec![0; len as usize];
        let known = self.header.get(offset as usize..).unwrap_or(&[]);
        let shared = known.len().min(bytes.len());
        bytes[..shared].copy_from_slice(&known[..shared]);
        Box::pin(async { Ok(bytes) })
    }
}

fn read(shape: &Shape, quant: &str) -> Gguf {
    let header = header(shape, Quant::named(quant).unwrap()).unwrap();
    let len = header.file_size();
    let parts: Vec<Box<dyn Source>> = vec![Box::new(HeaderOnly { header: header.encode(), len })];
    pollster::block_on(Gguf::read(&parts)).unwrap()
}

#[test]
fn every_shape_and_every_type_is_a_model() {
    let tiny = Shape::named("tiny").unwrap();
    let in_all_types = QUANTS.iter().map(|quant| (tiny, quant.name));
    // 576 and 896 are no multiples of 256.
    let of_all_shapes = SHAPES.iter().flat_map(|shape| [(shape, "q2_k"), (shape, "q4_k_m")]);
    for (shape, quant) in in_all_types.chain(of_all_shapes) {
        let gguf = read(shape, quant);
        let spec = Spec::read(&gguf).unwrap();
        Weights::plan(&gguf, &spec).unwrap();
        assert_eq!(spec.layers.len() as u64, shape.layers);
        assert_eq!(spec.vocab, shape.vocab_size);
    }
}

#[test]
fn vocabularies_read_and_write_text() {
    let texts = ["Once upon a time there was a ship.", "  two  spaces\n\tand tabs", "größer 中文 🙂 1234"];
    for (shape, begin, end) in [
        ("smollm2-135m", 1, 2),
        ("qwen2.5-0.5b", 151_643, 151_645),
        ("qwen3-0.6b", 151_643, 151_645),
        ("llama-3.2-1b", 128_000, 128_009),
        ("tiny", 1, 2),
    ] {
        let tokenizer =
            ReadTokenizer::from_gguf(&read(Shape::named(shape).unwrap(), "q4_0").metadata).unwrap();
        assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(begin), Some(end)), "{shape}");
        assert!(tokenizer.warnings().is_empty(), "{shape}: {:?}", tokenizer.warnings());
        for text in texts {
            let options = EncodeOptions { add_special: false, parse_special: false };
            let ids = tokenizer.encode(text, options).unwrap();
            assert_eq!(tokenizer.decode(&ids, true), text, "{shape}");
            assert!(shape == "tiny" || ids.len() < text.len(), "{shape}: no merge was used");
        }
    }
}

/// Sizes of the files that these stand in for, as bartowski, Qwen (Qwen3 Q8_0) and unsloth (Qwen3 Q4_K_M) publish them.
#[test]
fn files_are_as_large_as_the_published_ones() {
    for (shape, quant, published) in [
        ("smollm2-135m", "q4_k_m", 105_454_432_u64),
        ("smollm2-135m", "q8_0", 144_811_360),
        ("qwen2.5-0.5b", "q4_k_m", 397_808_192),
        ("qwen3-0.6b", "q8_0", 639_446_688),
        ("qwen3-0.6b", "q4_k_m", 396_705_472),
        ("llama-3.2-1b", "q4_k_m", 807_694_464),
    ] {
        let size = header(Shape::named(shape).unwrap(), Quant::named(quant).unwrap()).unwrap().file_size();
        let ratio = size as f64 / published as f64;
        assert!((0.98..1.02).contains(&ratio), "{shape} {quant}: {size} bytes, published {published}");
    }
}

#[test]
fn the_file_has_the_promised_size_and_the_same_seed_gives_the_same_file() {
    let folder = std::env::temp_dir().join(format!("tabmind-make-model-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, seed| {
        let path = folder.join(name);
        let size =
            make_model(Shape::named("tiny").unwrap(), Quant::named("q4_k_m").unwrap(), seed, &path).unwrap();
        let bytes = fs::read(path).unwrap();
        assert_eq!(bytes.len() as u64, size);
        bytes
    };
    let first = write("a.gguf", 1);
    assert!(first == write("b.gguf", 1));
    assert!(first != write("c.gguf", 2));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3, "a partial file was left behind");
    fs::remove_dir_all(folder).unwrap();
}
