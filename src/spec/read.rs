//! Reads a [`Spec`] from a file's metadata and table of tensors.

use super::family::{FAMILIES, Family};
use super::keys::Keys;
use super::{DeltaNetSpec, ExpertsSpec, FeedForward, LayerSpec, Mixer, Pooling, RopeSpec, Spec};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::gguf::{Gguf, TensorInfo};
use crate::kernels::experts::Gating;

/// More layers than any model has: a larger count is damage.
const MAX_LAYERS: usize = 1024;

impl Spec {
    /// Reads the model's hyper-parameters.
    ///
    /// # Errors
    /// `unsupported_architecture` naming the key or family that is not implemented; `corrupt_file` naming the
    /// key or tensor that is missing or contradicts itself.
    pub fn read(gguf: &Gguf) -> Result<Self> {
        let Some(name) = gguf.metadata.str("general.architecture") else {
            bail!(CorruptFile, "metadata key general.architecture is missing");
        };
        let Some(family) = FAMILIES.iter().find(|family| family.name == name) else {
            let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
            return Err(Error::new(
                ErrorKind::UnsupportedArchitecture,
                format!("general.architecture is {name:?}"),
            )
            .with_hint(format!("Supported are: {}.", known.join(", "))));
        };
        Reader { gguf, keys: Keys { metadata: &gguf.metadata, family: name }, family }.spec()
    }
}

pub(super) struct Reader<'a> {
    pub gguf: &'a Gguf,
    pub keys: Keys<'a>,
    pub family: &'static Family,
}

impl Reader<'_> {
    fn spec(&self) -> Result<Spec> {
        self.refuse_what_is_not_implemented()?;
        let keys = &self.keys;
        let hidden = keys.required("embedding_length")?;
        let embeddings = self.tensor("token_embd.weight")?;
        if embeddings.columns() != hidden {
            bail!(
                CorruptFile,
                "token_embd.weight has rows of {}, {} is {hidden}",
                embeddings.columns(),
                keys.name("embedding_length")
            );
        }
        if u32::try_from(embeddings.rows()).is_err() {
            bail!(CorruptFile, "token_embd.weight has {} rows: token ids have 32 bits", embeddings.rows());
        }
        let n_layers = keys.required("block_count")?;
        if n_layers > MAX_LAYERS {
            bail!(CorruptFile, "{} is {n_layers}", keys.name("block_count"));
        }
        let layer_eps = keys.float("attention.layer_norm_epsilon")?;
        let rms_eps = keys.float("attention.layer_norm_rms_epsilon")?;
        let Some(norm_eps) = rms_eps.or(layer_eps) else {
            bail!(CorruptFile, "metadata key {} is missing", keys.name("attention.layer_norm_rms_epsilon"));
        };
        if norm_eps < 0.0 {
            bail!(
                CorruptFile,
                "metadata key {} is {norm_eps}",
                keys.name("attention.layer_norm_rms_epsilon")
            );
        }
        let mut ropes = Vec::new();
        let layers = (0..n_layers)
            .map(|layer| self.layer(layer, n_layers, hidden, &mut ropes))
            .collect::<Result<Vec<_>>>()?;
        check_shared_kv(&layers)?;
        let per_layer_input = keys.optional("embedding_length_per_layer_input")?.filter(|&width| width > 0);
        keys.rows("per-layer embeddings", &[per_layer_input.unwrap_or(0), n_layers])?;
        Ok(Spec {
            family: self.family,
            hidden,
            vocab: embeddings.rows(),
            context_length: keys.required("context_length")?,
            layer_norm: rms_eps.is_none(),
            norm_eps,
            embedding_scale: self.embedding_scale(hidden)?,
            residual_scale: keys.float("residual_scale")?.unwrap_or(1.0),
            logit_scale: 1.0 / keys.float("logit_scale")?.filter(|&scale| scale != 0.0).unwrap_or(1.0),
            logit_softcap: keys.float("final_logit_softcapping")?.filter(|&cap| cap > 0.0),
            parallel_residual: keys.bool("use_parallel_residual").unwrap_or(self.family.parallel_residual),
            per_layer_input,
            // Only tables that were no GGUF files say it.
            interleaved_rope: keys.bool("rope.interleaved").unwrap_or(self.family.interleaved_rope),
            layers,
            ropes,
            pooling: Pooling::read(keys, Pooling::Last)?,
        })
    }

    /// Keys that change the mathematics in ways that no op carries.
    fn refuse_what_is_not_implemented(&self) -> Result<()> {
        let keys = &self.keys;
        if self.family.experts_renormalise.is_none() && keys.optional("expert_count")?.unwrap_or(0) > 0 {
            bail!(
                UnsupportedArchitecture,
                "{} is set, and {} with experts is not supported",
                keys.name("expert_count"),
                self.family.name
            );
        }
        for key in [
            "expert_shared_count",
            "expert_group_count",
            "attention.kv_lora_rank",
            "attention.q_lora_rank",
            "attention.clamp_kqv",
            "nextn_predict_layers",
        ] {
            if keys.float(key)?.unwrap_or(0.0) > 0.0
                && !(key == "expert_group_count" && keys.optional(key)? == Some(1))
            {
                bail!(UnsupportedArchitecture, "{} is set and not supported", keys.name(key));
            }
        }
        if keys.bool("attention.causal") == Some(false) {
            bail!(
                UnsupportedArchitecture,
                "{} is false: encoders are not supported",
                keys.name("attention.causal")
            );
        }
        Ok(())
    }

    #[allow(clippy::cast_precision_loss, reason = "widths are far below 2^24")]
    fn embedding_scale(&self, hidden: usize) -> Result<f32> {
        let default = if self.family.sqrt_embedding { (hidden as f32).sqrt() } else { 1.0 };
        Ok(self.keys.float("embedding_scale")?.unwrap_or(default))
    }

    fn tensor(&self, name: &str) -> Result<&TensorInfo> {
        self.gguf
            .tensor(name)
            .ok_or_else(|| Error::new(ErrorKind::CorruptFile, format!("tensor {name} is missing")))
    }

    fn has(&self, layer: usize, name: &str) -> bool {
        self.gguf.tensor(&format!("blk.{layer}.{name}")).is_some()
    }

    fn layer(
        &self,
        layer: usize,
        n_layers: usize,
        hidden: usize,
        ropes: &mut Vec<RopeSpec>,
    ) -> Result<LayerSpec> {
        let post_attn = self.has(layer, "post_attention_norm.weight");
        let is_ffn_norm = self.family.post_attn_norm_is_ffn_norm;
        Ok(LayerSpec {
            mixer: self.mixer(layer, n_layers, hidden, ropes)?,
            feed_forward: self.feed_forward(layer)?,
            attn_norm: self.has(layer, "attn_norm.weight"),
            post_attn_norm: post_attn && !is_ffn_norm,
            ffn_norm: if is_ffn_norm { post_attn } else { self.has(layer, "ffn_norm.weight") },
            post_ffn_norm: self.has(layer, "post_ffw_norm.weight"),
            output_scale: self.has(layer, "layer_output_scale.weight"),
        })
    }

    fn mixer(
        &self,
        layer: usize,
        n_layers: usize,
        hidden: usize,
        ropes: &mut Vec<RopeSpec>,
    ) -> Result<Mixer> {
        let keys = &self.keys;
        if let Some(taps) = keys.optional("shortconv.l_cache")?
            && keys.per_layer("attention.head_count_kv", layer)? == Some(0)
        {
            keys.rows("a convolution", &[taps, hidden])?;
            return Ok(Mixer::ShortConv(taps.max(1)));
        }
        if let Some(interval) = keys.optional("full_attention_interval")?.filter(|&n| n > 0)
            && !(layer + 1).is_multiple_of(interval)
        {
            return self.delta_net().map(Mixer::DeltaNet);
        }
        self.attention(layer, n_layers, hidden, ropes).map(Mixer::Attention)
    }

    fn delta_net(&self) -> Result<DeltaNetSpec> {
        let keys = &self.keys;
        let value_heads = keys.required("ssm.time_step_rank")?;
        let inner = keys.required("ssm.inner_size")?;
        let key_heads = keys.required("ssm.group_count")?;
        if inner % value_heads != 0 || value_heads % key_heads != 0 {
            bail!(CorruptFile, "{} heads do not divide {inner}", keys.name("ssm.time_step_rank"));
        }
        let (key_dim, value_dim) = (keys.required("ssm.state_size")?, inner / value_heads);
        let taps = keys.required("ssm.conv_kernel")?;
        // The state is `[value_heads, key_dim, value_dim]`, the convolution `[channels, taps]`.
        keys.rows("a recurrent state", &[inner, key_dim])?;
        keys.rows("a convolution", &[2 * keys.rows("keys", &[key_heads, key_dim])? + inner, taps])?;
        Ok(DeltaNetSpec { key_heads, value_heads, key_dim, value_dim, taps })
    }

    fn feed_forward(&self, layer: usize) -> Result<FeedForward> {
        let keys = &self.keys;
        let dense_layers = keys.optional("leading_dense_block_count")?.unwrap_or(0);
        let activation = self.family.activation;
        let width = keys.per_layer("feed_forward_length", layer)?;
        if let Some(renormalise) = self.family.experts_renormalise.filter(|_| layer >= dense_layers) {
            return Ok(FeedForward::Experts(self.experts(layer, renormalise, width)?));
        }
        let Some(width) = width.filter(|&width| width > 0) else {
            bail!(CorruptFile, "metadata key {} is missing", keys.name("feed_forward_length"));
        };
        // Without a gate the up projection stands alone, or holds both halves (Phi-3).
        let up_rows = self.tensor(&format!("blk.{layer}.ffn_up.weight"))?.rows();
        let gated = self.has(layer, "ffn_gate.weight") || up_rows == 2 * width;
        Ok(FeedForward::Dense { width, activation, gated })
    }

    fn experts(&self, layer: usize, renormalise: bool, width: Option<usize>) -> Result<ExpertsSpec> {
        let keys = &self.keys;
        let gating = match keys.optional("expert_gating_func")? {
            None | Some(0 | 1) => Gating::Softmax,
            Some(2) => Gating::Sigmoid,
            Some(other) => bail!(
                UnsupportedArchitecture,
                "{} is {other}; supported are 1 (softmax) and 2 (sigmoid)",
                keys.name("expert_gating_func")
            ),
        };
        let (count, used) = (keys.required("expert_count")?, keys.required("expert_used_count")?);
        if used > count {
            bail!(CorruptFile, "{} is {used} of {count}", keys.name("expert_used_count"));
        }
        let width = match keys.optional("expert_feed_forward_length")?.or(width).filter(|&width| width > 0) {
            Some(width) => width,
            None => bail!(CorruptFile, "metadata key {} is missing", keys.name("expert_feed_forward_length")),
        };
        keys.rows(
            "experts",
            &[count, width.max(self.gguf.tensor("token_embd.weight").map_or(0, TensorInfo::columns))],
        )?;
        Ok(ExpertsSpec {
            count,
            used,
            width,
            gating,
            renormalise: keys.bool("expert_weights_norm").unwrap_or(renormalise),
            scale: keys.float("expert_weights_scale")?.filter(|&scale| scale != 0.0).unwrap_or(1.0),
            selection_bias: self.has(layer, "exp_probs_b.bias"),
            activation: self.family.activation,
        })
    }
}

/// A layer that reads another one's keys and values must find them, and in the shape it expects.
fn check_shared_kv(layers: &[LayerSpec]) -> Result<()> {
    for (index, layer) in layers.iter().enumerate() {
        let Mixer::Attention(reader) = &layer.mixer else { continue };
        let Some(source) = reader.shared_kv else { continue };
        match layers.get(source).map(|layer| &layer.mixer) {
            Some(Mixer::Attention(own))
                if own.shared_kv.is_none()
                    && (own.kv_heads, own.key_dim, own.value_dim)
                        == (reader.kv_heads, reader.key_dim, reader.value_dim) => {}
            _ => bail!(
                CorruptFile,
                "layer {index} shares the keys of layer {source}, whose heads have another shape"
            ),
        }
    }
    Ok(())
}
