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

/// A table of frequencies that old checkpoints carry; it follows from the configuration.
const FREQUENCIES: &str = "self_attn.rotary_emb.inv_freq";

/// Tensors of one file: its number, its length, its table.
pub type FileTable = (usize, Option<u64>, Vec<TensorInfo>);

/// Gives every tensor its GGUF name, and drops those that nothing reads.
///
/// `ties_output`: the embedding table is the output projection as well, and a file may hold it under either name.
///
/// # Errors
/// `unsupported_architecture` naming a tensor that has no counterpart; `corrupt_file` if there is no output projection.
pub fn rename(files: &mut [FileTable], ties_output: bool) -> Result<()> {
    for (.., tensors) in files.iter_mut() {
        tensors.retain(|tensor| !tensor.name.ends_with(FREQUENCIES));
        for tensor in tensors {
            match gguf_name(&tensor.name) {
                Some(name) => tensor.name = name,
                None => {
                    bail!(UnsupportedArchitecture, "tensor {} has no place in this architecture", tensor.name)
                }
            }
        }
    }
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
    find(WHOLE, stem).map(|ours| format!("{ours}.{suffix}"))
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
        ];
        for (theirs, ours) in cases {
            assert_eq!(gguf_name(theirs).as_deref(), ours, "{theirs}");
        }
    }
}
