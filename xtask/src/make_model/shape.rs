//! The shapes: hyper-parameters as the published models have them, and the tensors that follow from them.

use anyhow::{Result, anyhow};

use super::vocabulary::Specials;

/// One model's hyper-parameters, under llama.cpp's names.
pub struct Shape {
    pub name: &'static str,
    pub title: &'static str,
    pub size_label: &'static str,
    pub architecture: &'static str,
    pub hidden: u64,
    pub layers: u64,
    pub feed_forward: u64,
    pub heads: u64,
    pub kv_heads: u64,
    pub head_dim: u64,
    pub vocab_size: usize,
    pub context: u32,
    pub rope_base: f32,
    pub norm_epsilon: f32,
    /// Which published tokenizer the special tokens and `tokenizer.ggml.pre` are from.
    pub tokenizer: Tokenizer,
    /// Llama 3's stretched RoPE: how many times, as the file's `rope_freqs` spells it out.
    pub rope_stretch: Option<f32>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Tokenizer {
    SmolLm2,
    Qwen2,
    Qwen3,
    Llama3,
}

pub const SHAPES: &[Shape] = &[
    Shape {
        name: "smollm2-135m",
        title: "SmolLM2 135M",
        size_label: "135M",
        architecture: "llama",
        hidden: 576,
        layers: 30,
        feed_forward: 1536,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        vocab_size: 49152,
        context: 8192,
        rope_base: 100_000.0,
        norm_epsilon: 1e-5,
        tokenizer: Tokenizer::SmolLm2,
        rope_stretch: None,
    },
    Shape {
        name: "qwen2.5-0.5b",
        title: "Qwen2.5 0.5B",
        size_label: "0.5B",
        architecture: "qwen2",
        hidden: 896,
        layers: 24,
        feed_forward: 4864,
        heads: 14,
        kv_heads: 2,
        head_dim: 64,
        vocab_size: 151_936,
        context: 32768,
        rope_base: 1_000_000.0,
        norm_epsilon: 1e-6,
        tokenizer: Tokenizer::Qwen2,
        rope_stretch: None,
    },
    Shape {
        name: "qwen3-0.6b",
        title: "Qwen3 0.6B",
        size_label: "0.6B",
        architecture: "qwen3",
        hidden: 1024,
        layers: 28,
        feed_forward: 3072,
        heads: 16,
        kv_heads: 8,
        head_dim: 128,
        vocab_size: 151_936,
        context: 40960,
        rope_base: 1_000_000.0,
        norm_epsilon: 1e-6,
        tokenizer: Tokenizer::Qwen3,
        rope_stretch: None,
    },
    Shape {
        name: "llama-3.2-1b",
        title: "Llama 3.2 1B",
        size_label: "1B",
        architecture: "llama",
        hidden: 2048,
        layers: 16,
        feed_forward: 8192,
        heads: 32,
        kv_heads: 8,
        head_dim: 64,
        vocab_size: 128_256,
        context: 131_072,
        rope_base: 500_000.0,
        norm_epsilon: 1e-5,
        tokenizer: Tokenizer::Llama3,
        rope_stretch: Some(32.0),
    },
    // No published model: the smallest that every type can hold, for tests.
    Shape {
        name: "tiny",
        title: "Tiny",
        size_label: "2M",
        architecture: "llama",
        hidden: 256,
        layers: 2,
        feed_forward: 512,
        heads: 4,
        kv_heads: 2,
        head_dim: 64,
        vocab_size: 1024,
        context: 2048,
        rope_base: 10_000.0,
        norm_epsilon: 1e-5,
        tokenizer: Tokenizer::SmolLm2,
        rope_stretch: None,
    },
];

/// How a tensor is filled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// A matrix whose products keep the size of what goes in, times this.
    Matrix(f32),
    /// A norm's gain.
    AroundOne,
    Bias,
    RopeFrequencies,
}

/// One tensor, dimensions in ggml's order.
pub struct Tensor {
    pub name: String,
    pub dims: Vec<u64>,
    pub fill: Fill,
}

impl Shape {
    pub fn named(name: &str) -> Result<&'static Self> {
        SHAPES.iter().find(|shape| shape.name == name).ok_or_else(|| {
            let names: Vec<_> = SHAPES.iter().map(|shape| shape.name).collect();
            anyhow!("--shape {name}: known are {}", names.join(", "))
        })
    }

    /// Every tensor, in the order of the file. The output is the token embedding, so it has none of its own.
    pub fn tensors(&self) -> Vec<Tensor> {
        let tensor = |name: &str, dims: &[u64], fill| Tensor { name: name.into(), dims: dims.into(), fill };
        let mut tensors = Vec::new();
        if self.rope_stretch.is_some() {
            tensors.push(tensor("rope_freqs.weight", &[self.head_dim / 2], Fill::RopeFrequencies));
        }
        tensors.push(tensor("token_embd.weight", &[self.hidden, self.vocab_size as u64], Fill::Matrix(1.0)));
        for layer in 0..self.layers {
            let named = |(name, dims, fill): (&str, Vec<u64>, Fill)| Tensor {
                name: format!("blk.{layer}.{name}"),
                dims,
                fill,
            };
            tensors.extend(self.layer().into_iter().map(named));
        }
        tensors.push(tensor("output_norm.weight", &[self.hidden], Fill::AroundOne));
        tensors
    }

    fn layer(&self) -> Vec<(&'static str, Vec<u64>, Fill)> {
        let (hidden, feed_forward) = (self.hidden, self.feed_forward);
        let (q, kv) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let matrix = Fill::Matrix(1.0);
        // What is added to the residual stream is smaller, as GPT-2 initialises it, so that the stream does not grow.
        let into_stream = Fill::Matrix((2.0 * self.layers as f32).sqrt().recip());
        let mut tensors = vec![
            ("attn_norm.weight", vec![hidden], Fill::AroundOne),
            ("attn_q.weight", vec![hidden, q], matrix),
            ("attn_k.weight", vec![hidden, kv], matrix),
            ("attn_v.weight", vec![hidden, kv], matrix),
            ("attn_output.weight", vec![q, hidden], into_stream),
            ("ffn_norm.weight", vec![hidden], Fill::AroundOne),
            ("ffn_gate.weight", vec![hidden, feed_forward], matrix),
            ("ffn_up.weight", vec![hidden, feed_forward], matrix),
            ("ffn_down.weight", vec![feed_forward, hidden], into_stream),
        ];
        if self.architecture == "qwen2" {
            tensors.extend([
                ("attn_q.bias", vec![q], Fill::Bias),
                ("attn_k.bias", vec![kv], Fill::Bias),
                ("attn_v.bias", vec![kv], Fill::Bias),
            ]);
        }
        if self.architecture == "qwen3" {
            tensors.extend([
                ("attn_q_norm.weight", vec![self.head_dim], Fill::AroundOne),
                ("attn_k_norm.weight", vec![self.head_dim], Fill::AroundOne),
            ]);
        }
        tensors
    }

    /// What `rope_freqs.weight` divides each frequency by: 1 for short waves, the stretch for long ones, and a
    /// blend between (Llama 3.1's `rope_scaling` with its factors 1 and 4 and 8192 original positions).
    pub fn rope_frequencies(&self) -> Vec<f32> {
        let stretch = self.rope_stretch.unwrap_or(1.0);
        let (longest, shortest) = (8192.0, 8192.0 / 4.0);
        let divisor = |index: u64| {
            let exponent = 2.0 * index as f32 / self.head_dim as f32;
            let wave = std::f32::consts::TAU * self.rope_base.powf(exponent);
            if wave < shortest {
                1.0
            } else if wave > longest {
                stretch
            } else {
                let smooth = (8192.0 / wave - 1.0) / (4.0 - 1.0);
                ((1.0 - smooth) / stretch + smooth).recip()
            }
        };
        (0..self.head_dim / 2).map(divisor).collect()
    }

    /// The special tokens, with published names at published ids.
    pub fn specials(&self) -> Specials {
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        match self.tokenizer {
            Tokenizer::SmolLm2 => Specials { first: words(SMOLLM2), last: Vec::new(), used: self.vocab_size },
            Tokenizer::Qwen2 => Specials { first: Vec::new(), last: words(QWEN2), used: 151_665 },
            Tokenizer::Qwen3 => {
                let last = [words(QWEN2), words(QWEN3)].concat();
                Specials { first: Vec::new(), last, used: 151_669 }
            }
            Tokenizer::Llama3 => {
                let mut last = words(LLAMA3);
                last.extend((3..248).map(|number| format!("<|reserved_special_token_{number}|>")));
                Specials { first: Vec::new(), last, used: self.vocab_size }
            }
        }
    }
}

const SMOLLM2: &str = "<|endoftext|> <|im_start|> <|im_end|> <repo_name> <reponame> <file_sep> <filename> <gh_stars> \
    <issue_start> <issue_comment> <issue_closed> <jupyter_start> <jupyter_text> <jupyter_code> <jupyter_output> \
    <jupyter_script> <empty_output>";
const QWEN2: &str = "<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> \
    <|box_end|> <|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> \
    <|video_pad|> <tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> \
    <|file_sep|>";
const QWEN3: &str = "<tool_response> </tool_response> <think> </think>";
const LLAMA3: &str = "<|begin_of_text|> <|end_of_text|> <|reserved_special_token_0|> <|reserved_special_token_1|> \
    <|finetune_right_pad_id|> <|reserved_special_token_2|> <|start_header_id|> <|end_header_id|> <|eom_id|> \
    <|eot_id|> <|python_tag|>";
