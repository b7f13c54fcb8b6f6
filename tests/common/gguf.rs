//! Writes tiny GGUF files: any metadata, any tensors, and whole models of a few kilobytes with seeded weights.
#![allow(dead_code, reason = "each test file uses a part of it")]

use tabmind::kernels::formats::Format;

/// A GGUF file in the making.
#[derive(Clone)]
pub struct Writer {
    pub version: u32,
    pub alignment: usize,
    /// Key, number of the type, bytes of the value.
    pub pairs: Vec<(String, u32, Vec<u8>)>,
    /// Name, extents (row length first), number of the type, bytes.
    pub tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { version: 3, alignment: 32, pairs: Vec::new(), tensors: Vec::new() }
    }
}

/// A length-prefixed string.
pub fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// An array of elements of one type.
pub fn array(element_type: u32, elements: &[Vec<u8>]) -> Vec<u8> {
    [&element_type.to_le_bytes()[..], &(elements.len() as u64).to_le_bytes(), &elements.concat()].concat()
}

impl Writer {
    /// Sets a pair of any type; one of the same key is replaced.
    pub fn raw(&mut self, key: &str, value_type: u32, bytes: Vec<u8>) -> &mut Self {
        self.remove(key);
        self.pairs.push((key.into(), value_type, bytes));
        self
    }

    pub fn remove(&mut self, key: &str) -> &mut Self {
        self.pairs.retain(|pair| pair.0 != key);
        self
    }

    pub fn u32(&mut self, key: &str, value: u32) -> &mut Self {
        self.raw(key, 4, value.to_le_bytes().to_vec())
    }

    pub fn u16(&mut self, key: &str, value: u16) -> &mut Self {
        self.raw(key, 2, value.to_le_bytes().to_vec())
    }

    pub fn f32(&mut self, key: &str, value: f32) -> &mut Self {
        self.raw(key, 6, value.to_le_bytes().to_vec())
    }

    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, 7, vec![value.into()])
    }

    pub fn str(&mut self, key: &str, value: &str) -> &mut Self {
        self.raw(key, 8, string(value))
    }

    pub fn strs(&mut self, key: &str, values: &[String]) -> &mut Self {
        self.raw(key, 9, array(8, &values.iter().map(|value| string(value)).collect::<Vec<_>>()))
    }

    pub fn i32s(&mut self, key: &str, values: &[i32]) -> &mut Self {
        self.raw(
            key,
            9,
            array(5, &values.iter().map(|value| value.to_le_bytes().to_vec()).collect::<Vec<_>>()),
        )
    }

    pub fn f32s(&mut self, key: &str, values: &[f32]) -> &mut Self {
        self.raw(
            key,
            9,
            array(6, &values.iter().map(|value| value.to_le_bytes().to_vec()).collect::<Vec<_>>()),
        )
    }

    pub fn tensor(&mut self, name: &str, dims: &[u64], format: Format, bytes: Vec<u8>) -> &mut Self {
        self.tensors.push((name.into(), dims.to_vec(), format.ggml_id(), bytes));
        self
    }

    /// Header and table, padded up to the data.
    pub fn header(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.pairs.len() as u64).to_le_bytes());
        for (key, value_type, bytes) in &self.pairs {
            out.extend(string(key));
            out.extend(value_type.to_le_bytes());
            out.extend(bytes);
        }
        let mut offset = 0;
        for (name, dims, id, bytes) in &self.tensors {
            out.extend(string(name));
            out.extend((dims.len() as u32).to_le_bytes());
            dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
            out.extend(id.to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset += bytes.len().next_multiple_of(self.alignment);
        }
        out.resize(out.len().next_multiple_of(self.alignment), 0);
        out
    }

    /// The whole file.
    pub fn build(&self) -> Vec<u8> {
        let mut out = self.header();
        for (.., bytes) in &self.tensors {
            out.extend(bytes);
            out.resize(out.len().next_multiple_of(self.alignment), 0);
        }
        out
    }
}

/// Numbers between -1 and 1 that follow from `seed`.
pub fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Little-endian bytes of floats.
pub fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A llama of 8 dimensions, one layer and 16 tokens: 4 kB, for tests that run it thousands of times.
pub fn micro_model() -> Writer {
    let mut file = Writer::default();
    let tokens: Vec<String> = ["<unk>", "<s>", "</s>"]
        .into_iter()
        .map(String::from)
        .chain(('a'..='l').map(String::from))
        .chain(["\u{2581}".into()])
        .collect();
    file.str("tokenizer.ggml.model", "llama");
    file.f32s("tokenizer.ggml.scores", &(0..16).map(|i| -(i as f32)).collect::<Vec<_>>());
    file.i32s("tokenizer.ggml.token_type", &(0..16).map(|i| [2, 3, 3, 1][i.min(3)]).collect::<Vec<_>>());
    file.strs("tokenizer.ggml.tokens", &tokens);
    llama(&mut file, 8, 1, 2, 16, 16, Format::F32);
    file
}

/// A llama of 32 dimensions, two layers, and a token for every byte and a few words: 100 kB, for tests of generation.
pub fn byte_model() -> Writer {
    byte_model_with(&[])
}

/// The same with further control tokens, and a longer context.
pub fn byte_model_with(markers: &[&str]) -> Writer {
    let mut file = Writer::default();
    let merges = ["t h", "th e", "\u{120} t", "\u{120}t he", "a n", "an d", "o u"];
    let mut tokens: Vec<String> = (0..=255u8).map(|byte| stand_in(byte).to_string()).collect();
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    let mut types = vec![1; tokens.len()];
    let specials = ["<|endoftext|>"].iter().chain(markers);
    types.extend(specials.clone().map(|_| 3));
    let eos = tokens.len() as u32;
    tokens.extend(specials.map(ToString::to_string));
    file.str("tokenizer.ggml.model", "gpt2").str("tokenizer.ggml.pre", "gpt-2");
    file.strs("tokenizer.ggml.tokens", &tokens).i32s("tokenizer.ggml.token_type", &types);
    file.strs("tokenizer.ggml.merges", &merges.map(String::from));
    file.u32("tokenizer.ggml.eos_token_id", eos)
        .u32("tokenizer.ggml.bos_token_id", eos)
        .bool("tokenizer.ggml.add_bos_token", false);
    llama(&mut file, 32, 2, 4, 64, tokens.len() as u64, Format::Q8_0);
    if !markers.is_empty() {
        file.u32("llama.context_length", 2048);
    }
    file
}

/// GPT-2's printable stand-in of a byte.
fn stand_in(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match printable(byte) {
        true => char::from(byte),
        false => char::from_u32(256 + (0..byte).filter(|&before| !printable(before)).count() as u32).unwrap(),
    }
}

/// Hyper-parameters and weights of a llama; `format` is that of the feed-forward.
fn llama(file: &mut Writer, hidden: u64, layers: u64, heads: u64, ffn: u64, vocab: u64, format: Format) {
    file.str("general.architecture", "llama").str("general.name", "tiny");
    for (key, value) in [
        ("block_count", layers),
        ("context_length", 256),
        ("embedding_length", hidden),
        ("feed_forward_length", ffn),
        ("attention.head_count", heads),
        ("attention.head_count_kv", heads / 2),
        ("rope.dimension_count", hidden / heads),
    ] {
        file.u32(&format!("llama.{key}"), value as u32);
    }
    file.f32("llama.attention.layer_norm_rms_epsilon", 1e-5).f32("llama.rope.freq_base", 1e4);
    let mut seed = 0;
    let mut add = |name: &str, columns: u64, rows: u64, format: Format| {
        seed += 1;
        let scale = (3.0 / columns as f32).sqrt();
        let values: Vec<f32> =
            noise(seed, (columns * rows) as usize).iter().map(|value| value * scale).collect();
        let bytes = match format {
            Format::F32 => f32_bytes(&values),
            _ => {
                let quantized = values.as_chunks::<32>().0.iter().map(|values| {
                    let mut block = [0; 34];
                    tabmind::kernels::formats::quantize_q8_0(values, &mut block);
                    block
                });
                quantized.collect::<Vec<_>>().concat()
            }
        };
        file.tensor(name, &[columns, rows], format, bytes);
    };
    add("token_embd.weight", hidden, vocab, Format::F32);
    add("output.weight", hidden, vocab, Format::F32);
    for layer in 0..layers {
        let name = |role: &str| format!("blk.{layer}.{role}.weight");
        add(&name("attn_q"), hidden, hidden, Format::F32);
        add(&name("attn_k"), hidden, hidden / 2, Format::F32);
        add(&name("attn_v"), hidden, hidden / 2, Format::F32);
        add(&name("attn_output"), hidden, hidden, Format::F32);
        add(&name("ffn_gate"), hidden, ffn, format);
        add(&name("ffn_up"), hidden, ffn, format);
        add(&name("ffn_down"), ffn, hidden, format);
    }
    let ones = f32_bytes(&vec![1.0; hidden as usize]);
    file.tensor("output_norm.weight", &[hidden], Format::F32, ones.clone());
    for layer in 0..layers {
        file.tensor(&format!("blk.{layer}.attn_norm.weight"), &[hidden], Format::F32, ones.clone());
        file.tensor(&format!("blk.{layer}.ffn_norm.weight"), &[hidden], Format::F32, ones.clone());
    }
}
