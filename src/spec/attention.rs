//! Reads the attention of one layer.

use super::family::{AttentionScale, WindowRule};
use super::read::Reader;
use super::{AttentionSpec, QkNorm, RopeSpec};
use crate::error::{Result, bail};
use crate::kernels::attention::QueryTemperature;

impl Reader<'_> {
    pub(super) fn attention(
        &self,
        layer: usize,
        n_layers: usize,
        hidden: usize,
        ropes: &mut Vec<RopeSpec>,
    ) -> Result<AttentionSpec> {
        let keys = &self.keys;
        let heads = keys.per_layer("attention.head_count", layer)?.filter(|&n| n > 0);
        let Some(heads) = heads else {
            bail!(CorruptFile, "metadata key {} is missing", keys.name("attention.head_count"))
        };
        let kv_heads = keys.per_layer("attention.head_count_kv", layer)?.unwrap_or(heads);
        if kv_heads == 0 || heads % kv_heads != 0 {
            bail!(CorruptFile, "{heads} heads do not share {kv_heads} key-value heads in layer {layer}");
        }
        let window = self.window(layer)?;
        let dim = |name: &str| -> Result<usize> {
            let local =
                if window.is_some() { keys.optional(&format!("attention.{name}_swa"))? } else { None };
            let dim = local.or(keys.optional(&format!("attention.{name}"))?).unwrap_or(hidden / heads);
            if dim == 0 {
                bail!(CorruptFile, "metadata key {} is zero", keys.name(&format!("attention.{name}")))
            }
            Ok(dim)
        };
        let (key_dim, value_dim) = (dim("key_length")?, dim("value_length")?);
        keys.rows("queries", &[heads, key_dim.max(value_dim)])?;
        let gated = keys.optional("full_attention_interval")?.is_some();
        if gated && key_dim != value_dim {
            bail!(CorruptFile, "{} is {key_dim}, a gate has {value_dim}", keys.name("attention.key_length"));
        }
        Ok(AttentionSpec {
            heads,
            kv_heads,
            key_dim,
            value_dim,
            qk_norm: self.qk_norm(layer, key_dim, heads),
            value_norm: self.family.value_norm,
            rope: self.rope(layer, key_dim, window.is_some(), ropes)?,
            scale: self.attention_scale(key_dim, hidden, heads, n_layers)?,
            softcap: keys.float("attn_logit_softcapping")?.filter(|&cap| cap > 0.0),
            window,
            temperature: self.temperature()?,
            shared_kv: self.shared_kv(layer, n_layers, window.is_some())?,
            gated,
        })
    }

    fn qk_norm(&self, layer: usize, key_dim: usize, heads: usize) -> QkNorm {
        match self.gguf.tensor(&format!("blk.{layer}.attn_q_norm.weight")) {
            None => QkNorm::Absent,
            Some(tensor) if tensor.elements() == key_dim && heads > 1 => QkNorm::PerHead,
            Some(_) => QkNorm::Whole,
        }
    }

    pub(super) fn window(&self, layer: usize) -> Result<Option<usize>> {
        let keys = &self.keys;
        let Some(window) = keys.optional("attention.sliding_window")?.filter(|&window| window > 0) else {
            return Ok(None);
        };
        let pattern = "attention.sliding_window_pattern";
        let rule = match keys.optional(pattern) {
            Ok(Some(every)) => WindowRule::AllButEvery(every),
            _ => self.family.window,
        };
        let here = match keys.bools(pattern) {
            Some(layers) => layers.get(layer).copied().unwrap_or(false),
            None => match rule {
                WindowRule::Never => false,
                WindowRule::All => true,
                WindowRule::AllButEvery(every) => every == 0 || !(layer + 1).is_multiple_of(every),
            },
        };
        Ok(here.then_some(window))
    }

    fn rope(
        &self,
        layer: usize,
        key_dim: usize,
        is_window: bool,
        ropes: &mut Vec<RopeSpec>,
    ) -> Result<Option<usize>> {
        let keys = &self.keys;
        if self.family.nope_step.is_some_and(|step| (layer + 1).is_multiple_of(step)) {
            return Ok(None);
        }
        let local = is_window && self.family.local_rope;
        let own = if local { keys.optional("rope.dimension_count_swa")? } else { None };
        let dims = own.or(keys.optional("rope.dimension_count")?).unwrap_or(key_dim);
        if dims == 0 || dims % 2 != 0 || dims > key_dim {
            bail!(CorruptFile, "{} is {dims}, a head has {key_dim}", keys.name("rope.dimension_count"));
        }
        let rope = if local {
            RopeSpec::local(keys, dims)?
        } else {
            let has = |name: &str| self.gguf.tensor(name).is_some();
            RopeSpec::global(keys, dims, has("rope_freqs.weight"), has("rope_factors_long.weight"))?
        };
        let index = ropes.iter().position(|other| *other == rope).unwrap_or_else(|| {
            ropes.push(rope);
            ropes.len() - 1
        });
        Ok(Some(index))
    }

    #[allow(clippy::cast_precision_loss, reason = "dimensions are small")]
    fn attention_scale(&self, key_dim: usize, hidden: usize, heads: usize, n_layers: usize) -> Result<f32> {
        let default = match self.family.attention_scale {
            AttentionScale::One => 1.0,
            AttentionScale::KeyDimUnlessLayers(layers) if layers == n_layers => {
                1.0 / ((hidden / heads) as f32).sqrt()
            }
            _ => 1.0 / (key_dim as f32).sqrt(),
        };
        Ok(self.keys.float("attention.scale")?.filter(|&scale| scale != 0.0).unwrap_or(default))
    }

    fn temperature(&self) -> Result<Option<QueryTemperature>> {
        let Some(factor) = self.keys.float("attention.temperature_scale")?.filter(|&factor| factor != 0.0)
        else {
            return Ok(None);
        };
        let length = match self.keys.optional("attention.temperature_length")? {
            Some(length) => length,
            None => self.keys.required("rope.scaling.original_context_length")?,
        };
        Ok(Some(QueryTemperature { factor, length: length.max(1) }))
    }

    /// The last layers of Gemma 4 read the keys and values of the last own layer of their kind.
    pub(super) fn shared_kv(&self, layer: usize, n_layers: usize, is_window: bool) -> Result<Option<usize>> {
        let shared = self.keys.optional("attention.shared_kv_layers")?.unwrap_or(0);
        let own = n_layers.saturating_sub(shared);
        if layer < own {
            return Ok(None);
        }
        for source in (0..own).rev() {
            if self.window(source)?.is_some() == is_window {
                return Ok(Some(source));
            }
        }
        bail!(CorruptFile, "layer {layer} has no earlier layer whose keys it could share")
    }
}
