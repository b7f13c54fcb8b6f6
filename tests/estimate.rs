//! What a header alone tells of a model: how fast it will write.

#[path = "common/gguf.rs"]
mod gguf;

use pollster::block_on;
use tabmind::cancel::Cancel;
use tabmind::kernels::formats::Format;
use tabmind::model::Estimate;
use tabmind::request::{LoadOptions, parse};
use tabmind::source::{LocalFuture, Source};
use tabmind::{Model, Result};

/// A file of which only the header exists.
struct Header {
    bytes: Vec<u8>,
    len: u64,
}

impl Source for Header {
    fn len(&self) -> Option<u64> {
        Some(self.len)
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<'_, Result<Vec<u8>>> {
        assert!(offset < self.bytes.len() as u64, "nothing behind the header is read");
        let bytes = self.bytes.iter().skip(offset as usize).take(len as usize);
        Box::pin(std::future::ready(Ok(bytes.copied().collect())))
    }
}

/// What a llama of so many layers, of 17 MB each, would take.
fn estimate(layers: u32, options: &str) -> Estimate {
    let (hidden, ffn, vocab) = (1024, 4096, 16);
    let mut file = gguf::micro_model();
    file.u32("llama.block_count", layers).u32("llama.embedding_length", hidden as u32);
    file.u32("llama.feed_forward_length", ffn as u32).u32("llama.context_length", 1 << 24);
    file.u32("llama.attention.head_count", 8).u32("llama.attention.head_count_kv", 8);
    file.u32("llama.rope.dimension_count", (hidden / 8) as u32);
    file.tensors.clear();
    let add = |file: &mut gguf::Writer, name: &str, columns: u64, rows: u64| {
        let bytes = vec![0; (columns / 32 * 34 * rows) as usize];
        file.tensor(&format!("{name}.weight"), &[columns, rows], Format::Q8_0, bytes);
    };
    add(&mut file, "token_embd", hidden, vocab);
    for layer in 0..layers {
        for role in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            add(&mut file, &format!("blk.{layer}.{role}"), hidden, hidden);
        }
        add(&mut file, &format!("blk.{layer}.ffn_gate"), hidden, ffn);
        add(&mut file, &format!("blk.{layer}.ffn_up"), hidden, ffn);
        add(&mut file, &format!("blk.{layer}.ffn_down"), ffn, hidden);
        for role in ["attn_norm", "ffn_norm"] {
            let ones = gguf::f32_bytes(&vec![1.0; hidden as usize]);
            file.tensor(&format!("blk.{layer}.{role}.weight"), &[hidden], Format::F32, ones);
        }
    }
    file.tensor("output_norm.weight", &[hidden], Format::F32, gguf::f32_bytes(&vec![1.0; hidden as usize]));
    let data: usize =
        file.tensors.iter().map(|(.., bytes)| bytes.len().next_multiple_of(file.alignment)).sum();
    let bytes = file.header();
    let len = (bytes.len() + data) as u64;
    let options: LoadOptions = parse(options).unwrap();
    block_on(Model::estimate(&[Box::new(Header { bytes, len })], &options, &Cancel::never())).unwrap()
}

#[test]
fn a_model_with_more_layers_is_expected_to_write_more_slowly() {
    // The one is measured whole, of the other the first layers.
    let [short, long] = [2, 40].map(|layers| estimate(layers, "{}").expected_tokens_per_second.unwrap());
    // Twenty times the weights; processors differ in what their caches do for the small one.
    assert!(short > 6.0 * long, "{short} tokens per second with 2 layers, {long} with 40");
    assert!(short < 200.0 * long, "{short} tokens per second with 2 layers, {long} with 40");
}

#[test]
fn nothing_is_expected_of_what_cannot_run() {
    let estimate = estimate(2, r#"{ "contextLength": 16777216 }"#);
    assert!(!estimate.fits);
    assert_eq!(estimate.expected_tokens_per_second, None);
}
