//! `config.json` of an encoder, and sentence-transformers' `1_Pooling/config.json`, as GGUF metadata.

use serde::Deserialize;

use super::json;
use crate::error::{Result, bail};
use crate::gguf::{Metadata, Value};

/// What is read of `config.json`.
#[derive(Deserialize)]
struct Config {
    hidden_size: u32,
    num_hidden_layers: u32,
    intermediate_size: u32,
    num_attention_heads: u32,
    max_position_embeddings: u32,
    layer_norm_eps: f64,
    hidden_act: String,
    position_embedding_type: Option<String>,
}

/// What is read of `1_Pooling/config.json`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Pooling {
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_lasttoken: bool,
}

/// The keys that a GGUF file of the same encoder would have; `None` if it is none.
///
/// # Errors
/// `corrupt_file` naming the field; `unsupported_architecture` for what the forward pass does not do.
pub fn metadata(config: &[u8], pooling: Option<&[u8]>) -> Result<Option<Metadata>> {
    #[derive(Deserialize)]
    struct Family {
        model_type: String,
    }
    let Family { model_type } = json(config, "config.json")?;
    if model_type != "bert" {
        return Ok(None);
    }
    let config: Config = json(config, "config.json")?;
    if config.hidden_act != "gelu" {
        bail!(
            UnsupportedArchitecture,
            "config.json has hidden_act {:?}; only \"gelu\" is supported",
            config.hidden_act
        );
    }
    if config.position_embedding_type.as_deref().is_some_and(|kind| kind != "absolute") {
        bail!(UnsupportedArchitecture, "config.json has a position_embedding_type that is not \"absolute\"");
    }
    let pooling = match pooling.map(|bytes| json(bytes, "the pooling's config.json")).transpose()? {
        None | Some(Pooling { pooling_mode_mean_tokens: true, .. }) => 1,
        Some(Pooling { pooling_mode_cls_token: true, .. }) => 2,
        Some(Pooling { pooling_mode_lasttoken: true, .. }) => 3,
        Some(_) => bail!(
            UnsupportedArchitecture,
            "the pooling's config.json asks for none of mean, CLS and last token"
        ),
    };
    let mut metadata = Metadata::default();
    metadata.insert("general.architecture".into(), Value::Str(model_type));
    metadata.insert("bert.attention.layer_norm_epsilon".into(), Value::F64(config.layer_norm_eps));
    for (key, value) in [
        ("embedding_length", config.hidden_size),
        ("block_count", config.num_hidden_layers),
        ("feed_forward_length", config.intermediate_size),
        ("attention.head_count", config.num_attention_heads),
        ("context_length", config.max_position_embeddings),
        ("pooling_type", pooling),
    ] {
        metadata.insert(format!("bert.{key}"), Value::U32(value));
    }
    Ok(Some(metadata))
}
