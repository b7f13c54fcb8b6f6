//! Every flag of a spec is held by some golden: switched off, or set to another value, it must show.
//!
//! A row of [`MUTATIONS`] names the flag, says what is done to it, and which architecture golden must notice: by
//! logits outside the tolerance of `tests/models.rs`, or, for a size, by a tensor that no longer fits. A field
//! of a spec that no row names fails the test, and one that `fields!` does not list does not compile.

mod common;
#[path = "common/tolerance.rs"]
mod tolerance;

use std::path::Path;

use pollster::block_on;
use serde_json::Value;
use tabmind::cancel::Cancel;
use tabmind::gguf::Gguf;
use tabmind::kernels::activation::Activation;
use tabmind::kernels::experts::Gating;
use tabmind::kernels::linear::{Epilogue, Linear};
use tabmind::kernels::norm::NormParams;
use tabmind::network::{Backend, Blueprint, Executor, Network};
use tabmind::recording::{Op, Recording};
use tabmind::source::{FileSource, MemorySource, Source};
use tabmind::spec::{
    AttentionSpec, DeltaNetSpec, ExpertsSpec, Family, FeedForward, LayerSpec, Mixer, QkNorm, RopeFactors,
    RopeScaling, RopeSpec, Spec,
};
use tabmind::weights::{Plan, RowOrder};
use tabmind::{ErrorKind, Result};

/// What is changed.
#[derive(Clone, Copy)]
enum Change {
    /// The spec, before tensors are looked up.
    Spec(fn(&mut Spec)),
    /// The recording that was made from it.
    Recording(fn(&mut Recording)),
    /// Which rows are loaded.
    Plan(fn(&mut Plan)),
}
use Change::{Plan as Rows, Recording as Ops, Spec as Flags};

/// How it must show.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Shows {
    /// Logits leave the tolerance.
    Wrong,
    /// The model is refused: a tensor is missing or has another shape.
    Refused,
}
use Shows::{Refused, Wrong};

/// The flags, what is done to them, the golden that must notice, how it must show. A row is a line.
#[rustfmt::skip]
const MUTATIONS: &[(&str, &str, &str, Shows, Change)] = &[
    ("Spec.hidden", "one more", "llama", Refused, Flags(|s| s.hidden += 1)),
    ("Spec.vocab", "one more", "llama", Refused, Flags(|s| s.vocab += 1)),
    ("Spec.layers", "only the first", "llama", Wrong, Flags(|s| s.layers.truncate(1))),
    ("Spec.layer_norm", "off", "stablelm", Wrong, Flags(|s| s.layer_norm = false)),
    ("Spec.layer_norm", "on", "llama", Wrong, Flags(|s| s.layer_norm = true)),
    ("Spec.norm_eps", "100 times as large", "llama", Wrong, Flags(|s| s.norm_eps *= 100.0)),
    ("Spec.embedding_scale", "off", "granite", Wrong, Flags(|s| s.embedding_scale = 1.0)),
    ("Spec.embedding_scale Family.sqrt_embedding", "off", "gemma", Wrong, Flags(|s| s.embedding_scale = 1.0)),
    ("Spec.residual_scale", "off", "granite", Wrong, Flags(|s| s.residual_scale = 1.0)),
    ("Spec.logit_scale", "off", "granite", Wrong, Flags(|s| s.logit_scale = 1.0)),
    ("Spec.logit_scale", "multiplied, not divided", "granite", Wrong, Flags(|s| s.logit_scale = 1.0 / s.logit_scale)),
    ("Spec.logit_softcap", "off", "gemma2", Wrong, Flags(|s| s.logit_softcap = None)),
    ("Spec.logit_softcap", "off", "gemma4", Wrong, Flags(|s| s.logit_softcap = None)),
    ("Spec.parallel_residual Family.parallel_residual", "off", "gptneox", Wrong, Flags(|s| s.parallel_residual = false)),
    ("Spec.parallel_residual", "on", "stablelm", Wrong, Flags(|s| s.parallel_residual = true)),
    ("Spec.per_layer_input", "off", "gemma4", Wrong, Flags(|s| s.per_layer_input = None)),
    ("Spec.per_layer_input", "another activation", "gemma4", Wrong, Ops(|r| multiply_with(r, Activation::Silu))),
    ("Spec.per_layer_input", "embedding not scaled", "gemma4", Wrong, Ops(|r| embeds(r, 1, |e| e.scale = 1.0))),
    ("Spec.ropes", "global one for window layers", "gemma3", Wrong, Flags(|s| s.ropes = vec![last_rope(s); 2])),
    ("Family.local_rope", "local one for global layers", "gemma3", Wrong, Flags(|s| s.ropes = vec![s.ropes[0]; 2])),
    ("Spec.interleaved_rope Family.interleaved_rope", "off", "llama", Wrong, Flags(|s| s.interleaved_rope = false)),
    ("Spec.interleaved_rope", "on", "qwen2", Wrong, Flags(|s| s.interleaved_rope = true)),
    ("Family.interleaved_rope", "rows not re-ordered", "llama", Wrong, Rows(sort_rows)),
    ("Family.interleaved_rope", "biases not re-ordered", "llama-bias", Wrong, Rows(sort_elements)),
    ("Family.interleaved_rope", "rows not re-ordered", "smollm3", Wrong, Rows(sort_rows)),
    ("Family.interleaved_rope", "rows not re-ordered", "granite", Wrong, Rows(sort_rows)),
    ("Family.interleaved_rope", "rows not re-ordered", "ministral3", Wrong, Rows(sort_rows)),
    ("fused projections", "keys and values from the first rows", "phi3", Wrong, Rows(start_at_zero)),
    ("fused projections", "keys and values from the first rows", "gptneox", Wrong, Rows(start_at_zero)),
    ("LayerSpec.mixer", "attention of layer 0 left out", "llama", Wrong, Ops(|r| drop_first(r, |op| matches!(op, Op::Attention(_))))),
    ("LayerSpec.mixer", "a convolution left out", "lfm2", Wrong, Ops(|r| drop_first(r, |op| matches!(op, Op::ShortConv(_))))),
    ("LayerSpec.mixer", "a delta net left out", "qwen35", Wrong, Ops(|r| drop_first(r, |op| matches!(op, Op::DeltaNet(_))))),
    ("LayerSpec.attn_norm", "off", "gemma2", Wrong, Flags(|s| layers(s, |l| l.attn_norm = false))),
    ("LayerSpec.attn_norm", "off", "llama", Refused, Flags(|s| layers(s, |l| l.attn_norm = false))),
    ("LayerSpec.ffn_norm", "off", "gemma2", Wrong, Flags(|s| layers(s, |l| l.ffn_norm = false))),
    ("LayerSpec.ffn_norm Family.post_attn_norm_is_ffn_norm", "off", "qwen35", Refused, Flags(|s| layers(s, |l| l.ffn_norm = false))),
    ("LayerSpec.post_attn_norm", "off", "gemma2", Wrong, Flags(|s| layers(s, |l| l.post_attn_norm = false))),
    ("LayerSpec.post_ffn_norm", "off", "gemma3", Wrong, Flags(|s| layers(s, |l| l.post_ffn_norm = false))),
    ("LayerSpec.post_attn_norm", "off", "olmo2", Refused, Flags(|s| layers(s, |l| l.post_attn_norm = false))),
    ("LayerSpec.output_scale", "off", "gemma4", Wrong, Flags(|s| layers(s, |l| l.output_scale = false))),
    ("LayerSpec.feed_forward", "left out of layer 0", "llama", Wrong, Ops(|r| drop_first(r, is_gate))),
    ("Mixer.ShortConv", "one tap less", "lfm2", Refused, Flags(|s| layers(s, |l| if let Mixer::ShortConv(taps) = &mut l.mixer { *taps -= 1 }))),
    ("AttentionSpec.heads", "twice as many", "llama", Refused, Flags(|s| attentions(s, |a| a.heads *= 2))),
    ("AttentionSpec.kv_heads", "half as many", "llama", Refused, Flags(|s| attentions(s, |a| a.kv_heads /= 2))),
    ("AttentionSpec.key_dim", "half", "llama", Refused, Flags(|s| attentions(s, |a| a.key_dim /= 2))),
    ("AttentionSpec.value_dim", "half", "llama", Refused, Flags(|s| attentions(s, |a| a.value_dim /= 2))),
    ("AttentionSpec.qk_norm", "off", "qwen3", Wrong, Flags(|s| attentions(s, |a| a.qk_norm = QkNorm::Absent))),
    ("AttentionSpec.qk_norm", "off", "olmo2", Wrong, Flags(|s| attentions(s, |a| a.qk_norm = QkNorm::Absent))),
    ("AttentionSpec.qk_norm", "per head instead of whole", "olmoe", Refused, Flags(|s| attentions(s, |a| a.qk_norm = QkNorm::PerHead))),
    ("AttentionSpec.value_norm Family.value_norm", "off", "gemma4", Wrong, Flags(|s| attentions(s, |a| a.value_norm = false))),
    ("AttentionSpec.rope", "off", "qwen3", Wrong, Flags(|s| attentions(s, |a| a.rope = None))),
    ("AttentionSpec.rope Family.nope_step", "on in every layer", "smollm3", Wrong, Flags(|s| attentions(s, |a| a.rope = Some(0)))),
    ("AttentionSpec.scale", "1 / √key_dim", "granite", Wrong, Flags(|s| attentions(s, |a| a.scale = (a.key_dim as f32).powf(-0.5)))),
    ("AttentionSpec.scale Family.attention_scale", "1 / √key_dim", "gemma4", Wrong, Flags(|s| attentions(s, |a| a.scale = (a.key_dim as f32).powf(-0.5)))),
    ("AttentionSpec.scale", "1", "llama", Wrong, Flags(|s| attentions(s, |a| a.scale = 1.0))),
    ("AttentionSpec.softcap", "off", "gemma2", Wrong, Flags(|s| attentions(s, |a| a.softcap = None))),
    ("AttentionSpec.window", "off", "mistral-swa", Wrong, Flags(|s| attentions(s, |a| a.window = None))),
    ("AttentionSpec.window", "one wider", "mistral-swa", Wrong, Flags(|s| attentions(s, |a| a.window = a.window.map(|w| w + 1)))),
    ("AttentionSpec.window", "one narrower", "mistral-swa", Wrong, Flags(|s| attentions(s, |a| a.window = a.window.map(|w| w - 1)))),
    ("AttentionSpec.window Family.window", "in every layer", "gemma2", Wrong, Flags(|s| attentions(s, |a| a.window = Some(8)))),
    ("AttentionSpec.window", "off", "gemma3", Wrong, Flags(|s| attentions(s, |a| a.window = None))),
    ("AttentionSpec.window", "in every layer", "olmo3", Wrong, Flags(|s| attentions(s, |a| a.window = Some(8)))),
    ("AttentionSpec.window", "off", "gemma4", Wrong, Flags(|s| attentions(s, |a| a.window = None))),
    ("AttentionSpec.temperature", "off", "ministral3", Wrong, Flags(|s| attentions(s, |a| a.temperature = None))),
    ("AttentionSpec.temperature", "steps twice as long", "ministral3", Wrong, Flags(|s| attentions(s, |a| a.temperature.iter_mut().for_each(|t| t.length *= 2)))),
    ("AttentionSpec.shared_kv", "another layer's", "gemma4", Wrong, Flags(share_other_layer)),
    ("AttentionSpec.gated", "off", "qwen35", Wrong, Ops(|r| r.ops.iter_mut().for_each(|op| if let Op::Attention(a) = op { a.gate = None }))),
    ("AttentionSpec.gated", "queries and gates not separated", "qwen35", Wrong, Rows(gates_in_blocks)),
    ("DeltaNetSpec.key_heads", "half", "qwen35", Refused, Flags(|s| nets(s, |n| n.key_heads /= 2))),
    ("DeltaNetSpec.value_heads", "half", "qwen35", Refused, Flags(|s| nets(s, |n| n.value_heads /= 2))),
    ("DeltaNetSpec.key_dim", "half", "qwen35", Refused, Flags(|s| nets(s, |n| n.key_dim /= 2))),
    ("DeltaNetSpec.value_dim", "half", "qwen35", Refused, Flags(|s| nets(s, |n| n.value_dim /= 2))),
    ("DeltaNetSpec.taps", "one less", "qwen35", Refused, Flags(|s| nets(s, |n| n.taps -= 1))),
    ("FeedForward.width", "half", "llama", Refused, Flags(|s| denses(s, |width, _, _| *width /= 2))),
    ("FeedForward.activation Family.activation", "SiLU", "gemma", Wrong, Flags(|s| denses(s, |_, activation, _| *activation = Activation::Silu))),
    ("FeedForward.activation", "tanh GELU", "llama", Wrong, Flags(|s| denses(s, |_, activation, _| *activation = Activation::GeluTanh))),
    ("FeedForward.activation", "SiLU", "gptneox", Wrong, Flags(|s| denses(s, |_, activation, _| *activation = Activation::Silu))),
    ("FeedForward.gated", "off", "llama", Wrong, Ops(|r| linears(r, ungate))),
    ("FeedForward.gated", "gate and up exchanged", "phi3", Wrong, Ops(|r| linears(r, |l| if matches!(l.epilogue, Epilogue::Gate(_)) { l.weights.reverse() }))),
    ("ExpertsSpec.count", "half", "qwen3moe", Refused, Flags(|s| experts(s, |e| e.count /= 2))),
    ("ExpertsSpec.used", "one less", "qwen3moe", Wrong, Flags(|s| experts(s, |e| e.used -= 1))),
    ("ExpertsSpec.width", "half", "qwen3moe", Refused, Flags(|s| experts(s, |e| e.width /= 2))),
    ("ExpertsSpec.gating", "softmax", "lfm2moe", Wrong, Flags(|s| experts(s, |e| e.gating = Gating::Softmax))),
    ("ExpertsSpec.gating", "sigmoid", "olmoe", Wrong, Flags(|s| experts(s, |e| e.gating = Gating::Sigmoid))),
    ("ExpertsSpec.renormalise Family.experts_renormalise", "off", "qwen3moe", Wrong, Flags(|s| experts(s, |e| e.renormalise = false))),
    ("ExpertsSpec.renormalise", "on", "olmoe", Wrong, Flags(|s| experts(s, |e| e.renormalise = true))),
    ("ExpertsSpec.renormalise", "off", "lfm2moe", Wrong, Flags(|s| experts(s, |e| e.renormalise = false))),
    ("ExpertsSpec.scale", "twice", "qwen3moe", Wrong, Flags(|s| experts(s, |e| e.scale *= 2.0))),
    ("ExpertsSpec.activation", "GELU", "qwen3moe", Wrong, Flags(|s| experts(s, |e| e.activation = Activation::GeluTanh))),
    ("RopeSpec.dims", "the whole head", "stablelm", Wrong, Flags(|s| s.ropes[0].dims = 16)),
    ("RopeSpec.dims", "the whole head", "gptneox", Wrong, Flags(|s| s.ropes[0].dims = 16)),
    ("RopeSpec.dims", "the whole head", "qwen35", Wrong, Flags(|s| s.ropes[0].dims = 32)),
    ("RopeSpec.base", "10000", "llama3-rope", Wrong, Flags(|s| s.ropes[0].base = 1e4)),
    ("RopeSpec.scaling Linear", "off", "gemma3-linear", Wrong, Flags(|s| rope_scaling(s, |r| *r = RopeScaling::None))),
    ("RopeSpec.scaling Linear", "on every layer", "gemma3-linear", Wrong, Flags(|s| s.ropes.iter_mut().for_each(|r| r.scaling = RopeScaling::Linear(8.0)))),
    ("RopeSpec.scaling Yarn", "off", "qwen2-yarn", Wrong, Flags(|s| rope_scaling(s, |r| *r = RopeScaling::None))),
    ("RopeSpec.scaling Yarn", "off", "ministral3", Wrong, Flags(|s| rope_scaling(s, |r| *r = RopeScaling::None))),
    ("RopeSpec.scaling Yarn.factor", "half", "qwen2-yarn", Wrong, Flags(|s| rope_scaling(s, |r| if let RopeScaling::Yarn { factor, .. } = r { *factor /= 2.0 }))),
    ("RopeSpec.scaling Yarn.original", "twice", "qwen2-yarn", Wrong, Flags(|s| rope_scaling(s, |r| if let RopeScaling::Yarn { original, .. } = r { *original *= 2 }))),
    ("RopeSpec.scaling Yarn.beta_fast", "1/4", "qwen2-yarn", Wrong, Flags(|s| rope_scaling(s, |r| if let RopeScaling::Yarn { beta_fast, .. } = r { *beta_fast /= 32.0 }))),
    ("RopeSpec.scaling Yarn.beta_slow", "1/8", "qwen2-yarn", Wrong, Flags(|s| rope_scaling(s, |r| if let RopeScaling::Yarn { beta_slow, .. } = r { *beta_slow /= 8.0 }))),
    ("RopeSpec.scaling Yarn.attention_factor", "1", "qwen2-yarn", Wrong, Flags(|s| rope_scaling(s, |r| if let RopeScaling::Yarn { attention_factor, .. } = r { *attention_factor = 1.0 }))),
    ("RopeSpec.scaling Yarn.attention_factor", "the formula's", "ministral3", Wrong, Flags(|s| rope_scaling(s, |r| if let RopeScaling::Yarn { attention_factor, factor, .. } = r { *attention_factor = 1.0 + 0.1 * factor.ln() }))),
    ("RopeSpec.factors Always", "off", "llama3-rope", Wrong, Flags(|s| s.ropes.iter_mut().for_each(|r| r.factors = RopeFactors::Absent))),
    ("RopeSpec.factors Always", "off", "gemma4", Wrong, Flags(|s| s.ropes.iter_mut().for_each(|r| r.factors = RopeFactors::Absent))),
    ("RopeSpec.factors ByContext", "the long ones", "phi3-longrope-short", Wrong, Flags(|s| s.ropes[0].factors = RopeFactors::ByContext { original: 1 })),
    ("RopeSpec.factors ByContext", "the short ones", "phi3-longrope-long", Wrong, Flags(|s| s.ropes[0].factors = RopeFactors::ByContext { original: 1 << 20 })),
    ("RopeSpec.scale", "1", "phi3-longrope-short", Wrong, Flags(|s| s.ropes[0].scale = 1.0)),
    ("bias of q, k, v", "off", "qwen2", Wrong, Ops(|r| linears(r, |l| if l.epilogue == Epilogue::Store { no_bias(l) }))),
    ("bias of q, k, v", "off", "llama-bias", Wrong, Ops(|r| linears(r, |l| if l.epilogue == Epilogue::Store { no_bias(l) }))),
    ("bias of o and down", "off", "llama-bias", Wrong, Ops(|r| linears(r, |l| if matches!(l.epilogue, Epilogue::Add(_)) { no_bias(l) }))),
    ("bias of gate and up", "off", "llama-bias", Wrong, Ops(|r| linears(r, |l| if matches!(l.epilogue, Epilogue::Gate(_)) { no_bias(l) }))),
    ("bias of up", "off", "gptneox", Wrong, Ops(|r| linears(r, |l| if matches!(l.epilogue, Epilogue::Activate(_)) { no_bias(l) }))),
    ("bias of norms", "off", "stablelm", Wrong, Ops(|r| linears(r, |l| if let Some(norm) = &mut l.norm { norm.bias = None }))),
    ("final norm's bias", "off", "stablelm", Wrong, Ops(|r| final_norm(r, |norm| norm.bias = None))),
    ("final norm Family.final_norm_is_embd_norm", "off", "lfm2", Wrong, Ops(|r| final_norm(r, |norm| norm.weight = None))),
    ("tied output", "on", "llama", Wrong, Ops(tie)),
];

/// Fields that no mutation can hold, with the reason.
const EXEMPT: &[(&str, &str)] = &[
    ("Spec.family", "its fields are named one by one"),
    ("Spec.context_length", "a limit, not mathematics: tests/generate.rs reaches it"),
    ("Spec.pooling", "concerns embeddings, not logits: tests/decoder_embeddings.rs holds it"),
    ("Family.name", "a name"),
    (
        "ExpertsSpec.selection_bias",
        "the biases of the goldens are all zero: `a_selection_bias_steers_the_choice_alone` holds it",
    ),
];

/// Names of all fields of a struct: a field that is not listed does not compile.
macro_rules! fields {
    ($name:ident { $($field:ident),* $(,)? }) => {{
        let _ = |value: &$name| { let $name { $($field: _),* } = value; };
        [$(concat!(stringify!($name), ".", stringify!($field))),*].to_vec()
    }};
}

#[test]
fn every_field_of_a_spec_is_held() {
    let fields = [
        fields!(Spec {
            family,
            hidden,
            vocab,
            context_length,
            layer_norm,
            norm_eps,
            embedding_scale,
            residual_scale,
            logit_scale,
            logit_softcap,
            parallel_residual,
            per_layer_input,
            interleaved_rope,
            layers,
            ropes,
            pooling,
        }),
        fields!(LayerSpec {
            mixer,
            feed_forward,
            attn_norm,
            post_attn_norm,
            ffn_norm,
            post_ffn_norm,
            output_scale
        }),
        fields!(AttentionSpec {
            heads,
            kv_heads,
            key_dim,
            value_dim,
            qk_norm,
            value_norm,
            rope,
            scale,
            softcap,
            window,
            temperature,
            shared_kv,
            gated,
        }),
        fields!(DeltaNetSpec { key_heads, value_heads, key_dim, value_dim, taps }),
        fields!(ExpertsSpec { count, used, width, gating, renormalise, scale, selection_bias, activation }),
        fields!(RopeSpec { dims, base, scaling, factors, scale }),
        fields!(Family {
            name,
            interleaved_rope,
            activation,
            sqrt_embedding,
            nope_step,
            window,
            attention_scale,
            value_norm,
            final_norm_is_embd_norm,
            post_attn_norm_is_ffn_norm,
            experts_renormalise,
            local_rope,
            parallel_residual,
        }),
        vec!["FeedForward.width", "FeedForward.activation", "FeedForward.gated", "Mixer.ShortConv"],
    ];
    let named = |field: &str| {
        MUTATIONS
            .iter()
            .flat_map(|row| row.0.split(' '))
            .chain(EXEMPT.iter().map(|row| row.0))
            .any(|name| name == field)
    };
    let unheld: Vec<&str> = fields.into_iter().flatten().filter(|field| !named(field)).collect();
    assert!(unheld.is_empty(), "no mutation holds {unheld:?}");
}

#[test]
fn each_mutation_breaks_its_golden() {
    let Some(folder) = common::assets("arch") else { return };
    let mut unbroken = Vec::new();
    for (flag, what, golden, shows, change) in MUTATIONS {
        let (found, outcome) = match distance(&folder, golden, Some(*change)) {
            Ok(distance) if distance > tolerance::F32_LOGITS => {
                (Some(Wrong), format!("off by {distance:.1e}"))
            }
            Ok(distance) => (None, format!("off by only {distance:.1e}")),
            Err(error) if error.kind() == ErrorKind::CorruptFile => (Some(Refused), error.to_string()),
            Err(error) => (None, error.to_string()),
        };
        println!("{flag} {what}: {golden} {outcome}");
        if found != Some(*shows) {
            unbroken.push(format!("{flag} {what}: {golden} should be {shows:?}, is {outcome}"));
        }
    }
    assert!(unbroken.is_empty(), "{} of {}:\n{}", unbroken.len(), MUTATIONS.len(), unbroken.join("\n"));
}

/// Without a change the same path is within the tolerance: what breaks a golden is the mutation alone.
#[test]
fn unchanged_the_goldens_hold() {
    let Some(folder) = common::assets("arch") else { return };
    let mut goldens: Vec<&str> = MUTATIONS.iter().map(|row| row.2).collect();
    goldens.sort_unstable();
    goldens.dedup();
    for golden in goldens {
        let distance = distance(&folder, golden, None).unwrap();
        assert!(distance < tolerance::F32_LOGITS, "{golden} is off by {distance}");
    }
}

/// Experts that a bias pushes up are chosen, and weighted as if they were the only ones: the bias takes no part in that.
#[test]
fn a_selection_bias_steers_the_choice_alone() {
    const CHOSEN: [usize; 2] = [2, 5];
    let Some(folder) = common::assets("arch") else { return };
    let (prompt, expected) = golden(&folder, "lfm2moe");
    let mut bytes = std::fs::read(folder.join("lfm2moe.gguf")).unwrap();
    let plain: Vec<Box<dyn Source>> = vec![Box::new(MemorySource::new(bytes.clone()))];
    let gguf = block_on(Gguf::read(&plain)).unwrap();
    for tensor in gguf.tensors.iter().filter(|tensor| tensor.name.ends_with("exp_probs_b.bias")) {
        for expert in CHOSEN {
            bytes[tensor.offset as usize + 4 * expert..][..4].copy_from_slice(&50.0f32.to_le_bytes());
        }
    }
    let biased: Vec<Box<dyn Source>> = vec![Box::new(MemorySource::new(bytes))];
    let draw = |parts| block_on(Blueprint::draw(Spec::read(&gguf).unwrap(), &gguf, parts, None)).unwrap();
    let mut alone = draw(&plain);
    for matrix in &mut alone.plan.matrices {
        let name = &gguf.tensors[matrix.tensor].name;
        if name.contains("ffn_gate_inp") || name.contains("_exps") {
            let rows_each = matrix.order.len() / 8;
            matrix.order = RowOrder::List(
                CHOSEN.iter().flat_map(|expert| expert * rows_each..(expert + 1) * rows_each).collect(),
            );
        }
    }
    let routers: Vec<_> = alone
        .recording
        .ops
        .iter_mut()
        .filter_map(|op| match op {
            Op::Experts(experts) => {
                experts.scores.width = CHOSEN.len();
                experts.selection_bias = None;
                Some(experts.scores.buf)
            }
            _ => None,
        })
        .collect();
    linears(&mut alone.recording, |linear| {
        if routers.contains(&linear.y.buf) {
            linear.y.width = CHOSEN.len()
        }
    });
    for backend in [Backend::Naive, Backend::Cpu] {
        let steered = logits(draw(&biased), &gguf, &biased, backend, &prompt).unwrap();
        let reference = logits(alone.clone(), &gguf, &plain, backend, &prompt).unwrap();
        let (same, other) = (furthest(&steered, &reference), furthest(&steered, &expected));
        assert!(same < tolerance::SAME_ENGINE, "{backend:?}: steered and alone differ by {same}");
        assert!(other > 1.0, "{backend:?}: the bias changes the choice: {other}");
    }
}

/// The golden's prompt, and its logits at every position of it.
fn golden(folder: &Path, name: &str) -> (Vec<u32>, Vec<f32>) {
    let golden: Value =
        serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap();
    let prompt =
        golden["prompt_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
    (prompt, common::f32s(&std::fs::read(folder.join(format!("{name}.logits.f32.bin"))).unwrap()))
}

/// Logits at every position of `prompt`, all finite.
fn logits(
    blueprint: Blueprint,
    gguf: &Gguf,
    parts: &[Box<dyn Source>],
    backend: Backend,
    prompt: &[u32],
) -> Result<Vec<f32>> {
    let mut network = block_on(async {
        let executor = Executor::open(backend).await?;
        Network::build(blueprint, gguf, parts, executor, &Cancel::never(), &mut |_| {}).await
    })?;
    let sequence = block_on(network.open(network.context_length))?;
    block_on(network.run(sequence, prompt, 0, 0)).map(|logits| logits.to_vec())
}

fn furthest(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "as many logits as the reference has");
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Largest distance of the changed model's logits from the golden's.
fn distance(folder: &Path, name: &str, change: Option<Change>) -> Result<f32> {
    let (prompt, expected) = golden(folder, name);
    let parts: Vec<Box<dyn Source>> =
        vec![Box::new(FileSource::open(&folder.join(format!("{name}.gguf"))).unwrap())];
    let gguf = block_on(Gguf::read(&parts)).unwrap();
    let mut spec = Spec::read(&gguf).unwrap();
    if let Some(Flags(change)) = change {
        let before = spec.clone();
        change(&mut spec);
        assert_ne!(spec, before, "{name}: the mutation changes something");
    }
    let mut blueprint = block_on(Blueprint::draw(spec, &gguf, &parts, None))?;
    let before = blueprint.clone();
    match change {
        Some(Ops(change)) => change(&mut blueprint.recording),
        Some(Rows(change)) => change(&mut blueprint.plan),
        _ => {}
    }
    assert_eq!(
        blueprint == before,
        !matches!(change, Some(Ops(_) | Rows(_))),
        "{name}: the mutation changes something"
    );
    logits(blueprint, &gguf, &parts, Backend::Naive, &prompt).map(|logits| furthest(&logits, &expected))
}

fn layers(spec: &mut Spec, change: impl Fn(&mut LayerSpec)) {
    spec.layers.iter_mut().for_each(change);
}

fn attentions(spec: &mut Spec, change: impl Fn(&mut AttentionSpec)) {
    layers(spec, |layer| {
        if let Mixer::Attention(attention) = &mut layer.mixer {
            change(attention)
        }
    });
}

fn nets(spec: &mut Spec, change: impl Fn(&mut DeltaNetSpec)) {
    layers(spec, |layer| {
        if let Mixer::DeltaNet(net) = &mut layer.mixer {
            change(net)
        }
    });
}

fn denses(spec: &mut Spec, change: impl Fn(&mut usize, &mut Activation, &mut bool)) {
    layers(spec, |layer| {
        if let FeedForward::Dense { width, activation, gated } = &mut layer.feed_forward {
            change(width, activation, gated)
        }
    });
}

fn experts(spec: &mut Spec, change: impl Fn(&mut ExpertsSpec)) {
    layers(spec, |layer| {
        if let FeedForward::Experts(experts) = &mut layer.feed_forward {
            change(experts)
        }
    });
}

/// Changes the ropes that are scaled.
fn rope_scaling(spec: &mut Spec, change: impl Fn(&mut RopeScaling)) {
    spec.ropes
        .iter_mut()
        .map(|rope| &mut rope.scaling)
        .filter(|scaling| **scaling != RopeScaling::None)
        .for_each(change);
}

fn last_rope(spec: &Spec) -> RopeSpec {
    spec.ropes[spec.ropes.len() - 1]
}

/// Layers that read another layer's keys and values read those of the first layer with such heads.
fn share_other_layer(spec: &mut Spec) {
    let dims: Vec<usize> = spec
        .layers
        .iter()
        .map(|layer| if let Mixer::Attention(a) = &layer.mixer { a.key_dim } else { 0 })
        .collect();
    attentions(spec, |a| {
        if a.shared_kv.is_some() {
            a.shared_kv = dims.iter().position(|&dim| dim == a.key_dim);
        }
    });
}

fn linears(recording: &mut Recording, change: impl Fn(&mut Linear)) {
    recording.ops.iter_mut().for_each(|op| {
        if let Op::Linear(linear) = op {
            change(linear)
        }
    });
}

fn no_bias(linear: &mut Linear) {
    linear.weights.iter_mut().for_each(|weight| weight.bias = None);
}

fn is_gate(op: &Op) -> bool {
    matches!(op, Op::Linear(Linear { epilogue: Epilogue::Gate(_), .. }))
}

/// The up projection alone, behind the activation.
fn ungate(linear: &mut Linear) {
    if let Epilogue::Gate(activation) = linear.epilogue {
        linear.epilogue = Epilogue::Activate(activation);
        linear.weights.remove(0);
    }
}

fn drop_first(recording: &mut Recording, is_it: impl Fn(&Op) -> bool) {
    let index = recording.ops.iter().position(is_it).unwrap();
    recording.ops.remove(index);
}

fn multiply_with(recording: &mut Recording, activation: Activation) {
    linears(recording, |linear| {
        if let Epilogue::Multiply(old, _) = &mut linear.epilogue {
            *old = activation
        }
    });
}

/// Changes the `index`-th embedding.
fn embeds(recording: &mut Recording, index: usize, change: impl Fn(&mut tabmind::kernels::embed::Embed)) {
    let embeds =
        recording.ops.iter_mut().filter_map(|op| if let Op::Embed(embed) = op { Some(embed) } else { None });
    embeds.skip(index).take(1).for_each(change);
}

fn final_norm(recording: &mut Recording, change: impl Fn(&mut NormParams)) {
    recording.ops.iter_mut().for_each(|op| {
        if let Op::Logits(logits) = op {
            change(&mut logits.norm)
        }
    });
}

/// The output projection becomes the embedding table.
fn tie(recording: &mut Recording) {
    let Some(Op::Embed(embed)) = recording.ops.first() else {
        panic!("a recording begins with the embedding")
    };
    let table = embed.table;
    recording.ops.iter_mut().for_each(|op| {
        if let Op::Logits(logits) = op {
            logits.weight.matrix = table
        }
    });
}

fn sort(order: &mut RowOrder) {
    if let RowOrder::List(list) = order {
        list.sort_unstable();
    }
}

fn sort_rows(plan: &mut Plan) {
    plan.matrices.iter_mut().for_each(|matrix| sort(&mut matrix.order));
}

fn sort_elements(plan: &mut Plan) {
    plan.vectors.iter_mut().for_each(|vector| sort(&mut vector.order));
}

fn start_at_zero(plan: &mut Plan) {
    plan.matrices.iter_mut().for_each(|matrix| {
        if let RowOrder::Range { start, .. } = &mut matrix.order {
            *start = 0
        }
    });
}

/// The first half of the rows as queries, the second as gates.
fn gates_in_blocks(plan: &mut Plan) {
    for matrix in &mut plan.matrices {
        if let RowOrder::List(list) = &mut matrix.order {
            let first = if list[0] == 0 { 0 } else { list.len() };
            *list = (first..first + list.len()).collect();
        }
    }
}
