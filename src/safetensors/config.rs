//! `config.json` as GGUF metadata. What it can say and nothing here implements is refused, not dropped.

use serde::Deserialize;
use serde_json::Value as Json;

use super::json;
use crate::error::{Result, bail};
use crate::gguf::{Metadata, Value};

/// The families whose configuration and names of tensors are known here.
const FAMILIES: &[&str] = &["llama", "qwen2", "qwen3"];

/// What is read of `config.json`.
#[derive(Debug, Deserialize)]
pub struct Config {
    model_type: String,
    hidden_size: u32,
    num_hidden_layers: u32,
    intermediate_size: u32,
    num_attention_heads: u32,
    num_key_value_heads: Option<u32>,
    head_dim: Option<u32>,
    max_position_embeddings: u32,
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    /// Until transformers 4.
    rope_scaling: Option<Rope>,
    /// Since transformers 5; holds the base as well.
    rope_parameters: Option<Rope>,
    hidden_act: Option<String>,
    tie_word_embeddings: Option<bool>,
    use_sliding_window: Option<bool>,
    quantization_config: Option<Json>,
}

#[derive(Debug, Deserialize)]
struct Rope {
    rope_type: Option<String>,
    /// The older name of `rope_type`; some files have both.
    r#type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    original_max_position_embeddings: Option<u32>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    attention_factor: Option<f64>,
    mscale: Option<Json>,
    mscale_all_dim: Option<Json>,
    truncate: Option<bool>,
    partial_rotary_factor: Option<f64>,
}

impl Config {
    /// # Errors
    /// `corrupt_file` naming the field; `unsupported_architecture` for another family.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Family {
            model_type: String,
        }
        // First: other families lack other fields.
        let Family { model_type } = json(bytes, "config.json")?;
        if !FAMILIES.contains(&model_type.as_str()) {
            bail!(
                UnsupportedArchitecture,
                "config.json has model_type {model_type:?}; {} are read from safetensors, other families from GGUF files",
                FAMILIES.join(", ")
            );
        }
        json(bytes, "config.json")
    }

    /// Whether the embedding table is the output projection as well.
    pub fn ties_output(&self) -> bool {
        self.tie_word_embeddings.unwrap_or(false)
    }

    /// The keys that a GGUF file of the same model would have.
    ///
    /// # Errors
    /// `unsupported_architecture`, `unsupported_quantization` naming the field.
    pub fn metadata(&self) -> Result<Metadata> {
        self.refuse_what_is_not_implemented()?;
        let family = &self.model_type;
        let mut metadata = Metadata::default();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                metadata.insert(format!("{family}.{key}"), value);
            }
        };
        set("embedding_length", Some(Value::U32(self.hidden_size)));
        set("block_count", Some(Value::U32(self.num_hidden_layers)));
        set("feed_forward_length", Some(Value::U32(self.intermediate_size)));
        set("attention.head_count", Some(Value::U32(self.num_attention_heads)));
        set(
            "attention.head_count_kv",
            Some(Value::U32(self.num_key_value_heads.unwrap_or(self.num_attention_heads))),
        );
        set("attention.key_length", self.head_dim.map(Value::U32));
        set("attention.value_length", self.head_dim.map(Value::U32));
        set("context_length", Some(Value::U32(self.max_position_embeddings)));
        set("attention.layer_norm_rms_epsilon", Some(Value::F64(self.rms_norm_eps)));
        let base = self.rope().and_then(|rope| rope.rope_theta).or(self.rope_theta);
        set("rope.freq_base", base.map(Value::F64));
        // transformers rotates halves; only GGUF converters re-order rows so that neighbours are rotated.
        set("rope.interleaved", Some(Value::Bool(false)));
        if let Some(rope) = self.rope() {
            self.scaling(rope, &mut set);
        }
        metadata.insert("general.architecture".into(), Value::Str(family.clone()));
        Ok(metadata)
    }

    /// Rotary parameters, by whichever name; none where they only say that there is no scaling.
    fn rope(&self) -> Option<&Rope> {
        self.rope_parameters.as_ref().or(self.rope_scaling.as_ref())
    }

    fn scaling(&self, rope: &Rope, set: &mut dyn FnMut(&str, Option<Value>)) {
        let kind = match rope.rope_type.as_deref().or(rope.r#type.as_deref()) {
            None | Some("default") => return,
            Some(kind) => kind,
        };
        let original = rope.original_max_position_embeddings.unwrap_or(self.max_position_embeddings);
        set("rope.scaling.type", Some(Value::Str(kind.into())));
        set("rope.scaling.factor", rope.factor.map(Value::F64));
        set("rope.scaling.original_context_length", Some(Value::U32(original)));
        set("rope.scaling.low_freq_factor", rope.low_freq_factor.map(Value::F64));
        set("rope.scaling.high_freq_factor", rope.high_freq_factor.map(Value::F64));
        set("rope.scaling.yarn_beta_fast", rope.beta_fast.map(Value::F64));
        set("rope.scaling.yarn_beta_slow", rope.beta_slow.map(Value::F64));
        // GGUF's key multiplies the factor of YaRN's formula, which this field replaces.
        let formula = 1.0 + 0.1 * rope.factor.unwrap_or(1.0).max(1.0).ln();
        set("rope.scaling.attn_factor", rope.attention_factor.map(|factor| Value::F64(factor / formula)));
    }

    fn refuse_what_is_not_implemented(&self) -> Result<()> {
        if self.quantization_config.as_ref().is_some_and(|config| !config.is_null()) {
            bail!(
                UnsupportedQuantization,
                "config.json has a quantization_config: only plain F32, F16 and BF16 weights are read"
            );
        }
        if let Some(activation) = self.hidden_act.as_deref().filter(|&name| name != "silu") {
            bail!(
                UnsupportedArchitecture,
                "config.json has hidden_act {activation:?}; only \"silu\" is supported"
            );
        }
        if self.use_sliding_window == Some(true) {
            bail!(
                UnsupportedArchitecture,
                "config.json has use_sliding_window, which is not supported for {}",
                self.model_type
            );
        }
        let Some(rope) = self.rope() else { return Ok(()) };
        let given = |value: &Option<Json>| value.as_ref().is_some_and(|value| !value.is_null());
        let unknown = [
            ("mscale", given(&rope.mscale)),
            ("mscale_all_dim", given(&rope.mscale_all_dim)),
            ("truncate", rope.truncate == Some(false)),
            ("partial_rotary_factor", rope.partial_rotary_factor.is_some_and(|factor| factor != 1.0)),
        ];
        if let Some((field, _)) = unknown.iter().find(|(_, is_set)| *is_set) {
            bail!(
                UnsupportedArchitecture,
                "config.json sets {field} of the rotary embedding, which is not supported"
            );
        }
        Ok(())
    }
}
