//! `cargo xtask make-model`: a GGUF with the shape of a published model and random weights, to measure with where no
//! weights can be downloaded. What it says is noise; how long it takes, and how much memory, is real.

mod blocks;
mod quant;
mod random;
mod shape;
mod vocabulary;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::args::Args;
use crate::gguf_writer::{self, Data, Header};
use crate::shell::progress;
use blocks::Blocks;
use quant::{Quant, Type};
use random::Random;
use shape::{Fill, Shape, Tokenizer};
use vocabulary::Vocabulary;

const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + \
    '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const LLAMA3_TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] \
    + '<|end_header_id|>\\n\\n' + message['content'] + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}\
    {{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

pub fn command(mut args: Args) -> Result<()> {
    let shape = args.required("--shape", "the model whose shape the file has, such as smollm2-135m")?;
    let quant = args.required("--quant", "the type of the weights, such as q4_0 or q4_k_m")?;
    let out = args.required("--out", "the file to write")?;
    let seed = args.parsed("--seed")?.unwrap_or(0);
    args.finish()?;
    let size = make_model(Shape::named(&shape)?, Quant::named(&quant)?, seed, Path::new(&out))?;
    println!("{out}: {size} bytes");
    Ok(())
}

/// Writes the model that the names describe.
pub fn make_named(shape: &str, quant: &str, out: &Path) -> Result<u64> {
    make_model(Shape::named(shape)?, Quant::named(quant)?, 0, out)
}

/// Writes the file and returns its size. It appears under its name only when it is whole.
fn make_model(shape: &Shape, quant: Quant, seed: u64, out: &Path) -> Result<u64> {
    let header = header(shape, quant)?;
    let size = header.file_size();
    progress(format_args!(
        "{} with random weights in {}: {:.1} MB",
        shape.title,
        quant.name,
        size as f64 / 1e6
    ));
    let partial = out.with_extension("gguf.partial");
    let file = File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
    let data = header.start(BufWriter::with_capacity(1 << 20, file))?;
    write_tensors(shape, seed, data).with_context(|| format!("cannot write {}", partial.display()))?;
    fs::rename(&partial, out).with_context(|| format!("cannot write {}", out.display()))?;
    Ok(size)
}

fn header(shape: &Shape, quant: Quant) -> Result<Header> {
    let mut header = Header::default();
    set_hyper_parameters(&mut header, shape, quant);
    set_tokenizer(&mut header, shape);
    for tensor in shape.tensors() {
        let kind = quant.type_of(&tensor.name, &tensor.dims, shape.layers)?;
        let (weights, bytes) = kind.block();
        let size_bytes = tensor.dims.iter().product::<u64>() / weights * bytes;
        header.tensor(gguf_writer::Tensor {
            name: tensor.name,
            dims: tensor.dims,
            type_id: kind.ggml_id(),
            size_bytes,
        });
    }
    Ok(header)
}

fn set_hyper_parameters(header: &mut Header, shape: &Shape, quant: Quant) {
    header.set("general.architecture", shape.architecture);
    header.set("general.type", "model");
    header.set("general.name", format!("{} shape, random weights", shape.title).as_str());
    header.set("general.size_label", shape.size_label);
    header.set("general.license", "cc0-1.0");
    header.set("general.quantization_version", 2);
    header.set("general.file_type", quant.file_type);
    let mut set = |key: &str, value: u64| header.set(format!("{}.{key}", shape.architecture), value as u32);
    set("block_count", shape.layers);
    set("context_length", shape.context.into());
    set("embedding_length", shape.hidden);
    set("feed_forward_length", shape.feed_forward);
    set("attention.head_count", shape.heads);
    set("attention.head_count_kv", shape.kv_heads);
    set("attention.key_length", shape.head_dim);
    set("attention.value_length", shape.head_dim);
    set("rope.dimension_count", shape.head_dim);
    set("vocab_size", shape.vocab_size as u64);
    header.set(format!("{}.rope.freq_base", shape.architecture), shape.rope_base);
    header.set(format!("{}.attention.layer_norm_rms_epsilon", shape.architecture), shape.norm_epsilon);
}

fn set_tokenizer(header: &mut Header, shape: &Shape) {
    let vocabulary = Vocabulary::new(shape.vocab_size, &shape.specials());
    let (pre, bos, eos, padding) = match shape.tokenizer {
        Tokenizer::SmolLm2 => ("smollm", "<|im_start|>", "<|im_end|>", "<|im_end|>"),
        Tokenizer::Qwen2 | Tokenizer::Qwen3 => ("qwen2", "<|endoftext|>", "<|im_end|>", "<|endoftext|>"),
        Tokenizer::Llama3 => ("llama-bpe", "<|begin_of_text|>", "<|eot_id|>", "<|finetune_right_pad_id|>"),
    };
    let is_llama3 = shape.tokenizer == Tokenizer::Llama3;
    header.set("tokenizer.ggml.model", "gpt2");
    header.set("tokenizer.ggml.pre", pre);
    for (role, token) in [("bos", bos), ("eos", eos), ("padding", padding)] {
        if let Some(id) = vocabulary.id(token) {
            header.set(format!("tokenizer.ggml.{role}_token_id"), id);
        }
    }
    header.set("tokenizer.ggml.add_bos_token", is_llama3);
    header.set("tokenizer.chat_template", if is_llama3 { LLAMA3_TEMPLATE } else { CHATML });
    header.set("tokenizer.ggml.tokens", vocabulary.tokens);
    header.set("tokenizer.ggml.token_type", vocabulary.types);
    header.set("tokenizer.ggml.merges", vocabulary.merges);
}

fn write_tensors<W: Write>(shape: &Shape, seed: u64, mut data: Data<W>) -> Result<()> {
    let speakable = Vocabulary::new(shape.vocab_size, &shape.specials()).speakable();
    for tensor in shape.tensors() {
        let Some(entry) = data.next_tensor()? else { break };
        let mut random = Random::new(seed, &tensor.name);
        match tensor.fill {
            Fill::RopeFrequencies => data.write(&plain(shape.rope_frequencies()))?,
            Fill::AroundOne => data.write(&plain(small_numbers(entry.dims[0], 1.0, 0.05, &mut random)))?,
            Fill::Bias => data.write(&plain(small_numbers(entry.dims[0], 0.0, 0.1, &mut random)))?,
            Fill::Matrix(factor) => {
                let deviation = factor / (entry.dims[0] as f32).sqrt();
                let is_output = tensor.name == "token_embd.weight";
                // A token whose output row is small is never the likeliest.
                let of_row =
                    |row: usize| if is_output && !speakable[row] { 0.01 * deviation } else { deviation };
                write_matrix(&entry, of_row, &mut random, &mut data)?;
            }
        }
    }
    data.finish()?;
    Ok(())
}

/// `deviation` says how large the weights of each row are.
fn write_matrix<W: Write>(
    entry: &gguf_writer::Tensor,
    deviation: impl Fn(usize) -> f32,
    random: &mut Random,
    data: &mut Data<W>,
) -> Result<()> {
    let kind = Type::with_id(entry.type_id)?;
    let blocks = Blocks::new(kind);
    let blocks_per_row = entry.dims[0] / kind.block().0;
    let mut bytes = Vec::new();
    for row in 0..entry.dims[1] as usize {
        bytes.clear();
        for _ in 0..blocks_per_row {
            blocks.push(deviation(row), random, &mut bytes);
        }
        data.write(&bytes)?;
    }
    Ok(())
}

fn plain(numbers: Vec<f32>) -> Vec<u8> {
    numbers.into_iter().flat_map(f32::to_le_bytes).collect()
}

fn small_numbers(count: u64, middle: f32, deviation: f32, random: &mut Random) -> Vec<f32> {
    let quantiles = random::normal_quantiles::<256>();
    (0..count).map(|_| middle + deviation * quantiles[random.bits() as usize % 256]).collect()
}

#[cfg(test)]
mod tests;
