//! Names of tensors: transformers' to GGUF's.

use crate::error::{Result, bail};
use crate::gguf::TensorInfo;

/// Tensors of the whole model.
const WHOLE: &[(&str, &str)] =
    &[("embed_tokens", "token_embd"), ("norm", "output_norm"), ("lm_head", "output")];

/// Tensors of a layer.
const LAYER: &[(&str, &str)] = &[
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// Tensors of an encoder.
const ENCODER: &[(&str, &str)] = &[
    ("embeddings.word_embeddings", "token_embd"),
    ("embeddings.position_embeddings", "position_embd"),
    ("embeddings.token_type_embeddings", "token_types"),
    ("embeddings.LayerNorm", "token_embd_norm"),
];

/// Tensors of an encoder's layer.
const ENCODER_LAYER: &[(&str, &str)] = &[
    ("attention.self.query", "attn_q"),
    ("attention.self.key", "attn_k"),
    ("attention.self.value", "attn_v"),
    ("attention.output.dense", "attn_output"),
    ("attention.output.LayerNorm", "attn_output_norm"),
    ("intermediate.dense", "ffn_up"),
    ("output.dense", "ffn_down"),
    ("output.LayerNorm", "layer_output_norm"),
];

/// Tables that old checkpoints carry and that follow from the configuration; and the head that BERT was trained
/// with and that no embedding is computed by.
const DERIVED: &[&str] =
    &["self_attn.rotary_emb.inv_freq", "embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"];

/// Whether nothing reads a tensor.
pub fn is_derived(name: &str) -> bool {
    DERIVED.iter().any(|derived| name.ends_with(derived))
}

/// Tensors of one file: its number, its length, its table.
pub type FileTable = (usize, Option<u64>, Vec<TensorInfo>);

/// Gives every tensor its GGUF name.
///
/// `ties_output`: the embedding table is the output projection as well, and a file may hold it under either name;
/// `None` for encoders, which have no output projection.
///
/// # Errors
/// `unsupported_architecture` naming a tensor that has no counterpart; `corrupt_file` if there is no output projection.
pub fn rename(files: &mut [FileTable], ties_output: Option<bool>) -> Result<()> {
    for (.., tensors) in files.iter_mut() {
        for tensor in tensors {
            match gguf_name(&tensor.name) {
                Some(name) => tensor.name = name,
                None => {
                    bail!(UnsupportedArchitecture, "tensor {} has no place in this architecture", tensor.name)
                }
            }
        }
    }
    let Some(ties_output) = ties_output else { return Ok(()) };
    let has = |files: &[FileTable], name: &str| {
        files.iter().any(|(.., tensors)| tensors.iter().any(|tensor| tensor.name == name))
    };
    const EMBEDDING: &str = "token_embd.weight";
    const OUTPUT: &str = "output.weight";
    match (ties_output, has(files, EMBEDDING), has(files, OUTPUT)) {
        (true, true, true) => {
            files.iter_mut().for_each(|(.., tensors)| tensors.retain(|tensor| tensor.name != OUTPUT))
        }
        (true, false, true) => {
            let tensors = files.iter_mut().flat_map(|(.., tensors)| tensors);
            tensors.filter(|tensor| tensor.name == OUTPUT).for_each(|tensor| tensor.name = EMBEDDING.into());
        }
        (false, _, false) => {
            bail!(CorruptFile, "tensor lm_head.weight is missing, and tie_word_embeddings is false")
        }
        _ => {}
    }
    Ok(())
}

fn gguf_name(name: &str) -> Option<String> {
    let (stem, suffix) = name.rsplit_once('.')?;
    if !matches!(suffix, "weight" | "bias") {
        return None;
    }
    let stem = stem.strip_prefix("model.").unwrap_or(stem);
    let find = |table: &[(&str, &'static str)], stem: &str| {
        table.iter().find(|(theirs, _)| *theirs == stem).map(|(_, ours)| *ours)
    };
    if let Some(layer) = stem.strip_prefix("layers.") {
        let (number, stem) = layer.split_once('.')?;
        let number: u16 = number.parse().ok()?;
        return find(LAYER, stem).map(|ours| format!("blk.{number}.{ours}.{suffix}"));
    }
    let encoder = stem.strip_prefix("bert.").unwrap_or(stem);
    if let Some(layer) = encoder.strip_prefix("encoder.layer.") {
        let (number, stem) = layer.split_once('.')?;
        let number: u16 = number.parse().ok()?;
        return find(ENCODER_LAYER, stem).map(|ours| format!("blk.{number}.{ours}.{suffix}"));
    }
    find(WHOLE, stem).or_else(|| find(ENCODER, encoder)).map(|ours| format!("{ours}.{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::gguf_name;

    #[test]
    fn names_have_counterparts_or_none() {
        let cases = [
            ("model.embed_tokens.weight", Some("token_embd.weight")),
            ("embed_tokens.weight", Some("token_embd.weight")),
            ("lm_head.weight", Some("output.weight")),
            ("model.layers.11.self_attn.q_proj.bias", Some("blk.11.attn_q.bias")),
            ("model.layers.0.mlp.experts.0.up_proj.weight", None),
            ("model.layers.x.mlp.up_proj.weight", None),
            ("model.layers.0.self_attn.q_proj.qweight", None),
            ("visual.patch_embed.weight", None),
            ("bert.encoder.layer.3.attention.self.query.bias", Some("blk.3.attn_q.bias")),
            ("encoder.layer.0.output.LayerNorm.weight", Some("blk.0.layer_output_norm.weight")),
            ("embeddings.word_embeddings.weight", Some("token_embd.weight")),
        ];
        for (theirs, ours) in cases {
            assert_eq!(gguf_name(theirs).as_deref(), ours, "{theirs}");
        }
    }
}
