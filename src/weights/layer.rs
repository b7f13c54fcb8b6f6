//! One layer's operands.

use super::RowOrder;
use super::plan::Planner;
use crate::error::{Result, bail};
use crate::kernels::linear::Weight;
use crate::kernels::norm::NormParams;
use crate::recording::{MatrixId, VectorId};
use crate::spec::{AttentionSpec, DeltaNetSpec, ExpertsSpec, FeedForward, LayerSpec, Mixer, QkNorm, Spec};

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerWeights {
    /// Before the mixer.
    pub attn_norm: Option<NormParams>,
    /// After the mixer.
    pub post_attn_norm: Option<NormParams>,
    /// Before the feed-forward.
    pub ffn_norm: Option<NormParams>,
    /// After the feed-forward.
    pub post_ffn_norm: Option<NormParams>,
    /// Attention or its substitutes.
    pub mixer: MixerWeights,
    /// Feed-forward.
    pub feed_forward: FeedForwardWeights,
    /// Gemma 4's per-layer input.
    pub per_layer: Option<PerLayerWeights>,
    /// `[1]`
    pub output_scale: Option<VectorId>,
}

/// What mixes tokens.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "named after their specs")]
pub enum MixerWeights {
    Attention(AttentionWeights),
    ShortConv { input: Weight, kernel: VectorId, output: Weight },
    DeltaNet(DeltaNetWeights),
}

/// Softmax attention.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionWeights {
    /// Queries, then (unless another layer's are read) keys and values, then (if gated) the gate.
    pub input: Vec<Weight>,
    /// Norm of queries.
    pub q_norm: Option<NormParams>,
    /// Norm of keys.
    pub k_norm: Option<NormParams>,
    /// Norm of values.
    pub v_norm: Option<NormParams>,
    /// Output projection.
    pub output: Weight,
}

/// Gated delta net.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "named after the kernel's operands")]
pub struct DeltaNetWeights {
    /// q, k, v together; the output gate z; β; α.
    pub input: Vec<Weight>,
    pub kernel: VectorId,
    pub a: VectorId,
    pub dt: VectorId,
    pub norm: NormParams,
    pub output: Weight,
}

/// Feed-forward.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "named after the kernel's operands")]
pub enum FeedForwardWeights {
    /// `input` is gate and up, or up alone.
    Dense {
        input: Vec<Weight>,
        down: Weight,
    },
    Experts {
        router: Weight,
        gate: MatrixId,
        up: MatrixId,
        down: MatrixId,
        selection_bias: Option<VectorId>,
    },
}

/// Gemma 4's per-layer input of one layer.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "named after the tensors")]
pub struct PerLayerWeights {
    pub gate: Weight,
    pub projection: Weight,
    pub post_norm: NormParams,
}

pub(super) fn plan(
    p: &mut Planner<'_>,
    spec: &Spec,
    index: usize,
    layer: &LayerSpec,
) -> Result<LayerWeights> {
    let name = |role: &str| format!("blk.{index}.{role}");
    let hidden = spec.hidden;
    let norm = |p: &mut Planner<'_>, present: bool, role: &str| -> Result<Option<NormParams>> {
        if present { p.norm(&name(role), hidden).map(Some) } else { Ok(None) }
    };
    let ffn_norm = if spec.family.post_attn_norm_is_ffn_norm { "post_attention_norm" } else { "ffn_norm" };
    let attn_norm = norm(p, layer.attn_norm, "attn_norm")?;
    let post_attn_norm = norm(p, layer.post_attn_norm, "post_attention_norm")?;
    let ffn_norm = norm(p, layer.ffn_norm, ffn_norm)?;
    let post_ffn_norm = norm(p, layer.post_ffn_norm, "post_ffw_norm")?;
    if (attn_norm.is_none() && post_attn_norm.is_none()) || (ffn_norm.is_none() && post_ffn_norm.is_none()) {
        bail!(
            CorruptFile,
            "layer {index} lacks its norms: tensor {} or {} is missing",
            name("attn_norm.weight"),
            name("ffn_norm.weight")
        );
    }
    let mixer = match &layer.mixer {
        Mixer::Attention(attention) => MixerWeights::Attention(plan_attention(p, spec, index, attention)?),
        Mixer::ShortConv(taps) => MixerWeights::ShortConv {
            input: p.weight(&name("shortconv.in_proj"), 3 * hidden, hidden)?,
            kernel: p.vector(&name("shortconv.conv.weight"), taps * hidden)?,
            output: p.weight(&name("shortconv.out_proj"), hidden, hidden)?,
        },
        Mixer::DeltaNet(net) => MixerWeights::DeltaNet(plan_delta_net(p, hidden, index, net)?),
    };
    let per_layer = match spec.per_layer_input {
        None => None,
        Some(width) => Some(PerLayerWeights {
            gate: p.weight(&name("inp_gate"), width, hidden)?,
            projection: p.weight(&name("proj"), hidden, width)?,
            post_norm: p.norm(&name("post_norm"), hidden)?,
        }),
    };
    let output_scale =
        if layer.output_scale { Some(p.vector(&name("layer_output_scale.weight"), 1)?) } else { None };
    let feed_forward = plan_feed_forward(p, hidden, index, &layer.feed_forward)?;
    Ok(LayerWeights {
        attn_norm,
        post_attn_norm,
        ffn_norm,
        post_ffn_norm,
        mixer,
        feed_forward,
        per_layer,
        output_scale,
    })
}

fn plan_attention(
    p: &mut Planner<'_>,
    spec: &Spec,
    index: usize,
    a: &AttentionSpec,
) -> Result<AttentionWeights> {
    let name = |role: &str| format!("blk.{index}.{role}");
    let rotated = a.rope.and_then(|rope| spec.ropes.get(rope)).map_or(0, |rope| rope.dims);
    let interleaved = spec.interleaved_rope && rotated > 0;
    let rows = |start: usize, heads: usize, dim: usize| match interleaved {
        true => RowOrder::halves(start, heads, dim, rotated),
        false => RowOrder::Range { start, len: heads * dim },
    };
    let (q_rows, k_rows, v_rows) = (a.heads * a.key_dim, a.kv_heads * a.key_dim, a.kv_heads * a.value_dim);
    let fused = name("attn_qkv");
    let is_fused = p.has(&format!("{fused}.weight"));
    // Before a list of rows is made: its length is what the metadata claim.
    let (first, first_rows) = if is_fused {
        (&fused, q_rows + k_rows + v_rows)
    } else {
        (&name("attn_q"), if a.gated { 2 * q_rows } else { q_rows })
    };
    p.expect(&format!("{first}.weight"), first_rows, spec.hidden)?;
    let mut input = Vec::new();
    if is_fused {
        let values = RowOrder::Range { start: q_rows + k_rows, len: v_rows };
        for order in [rows(0, a.heads, a.key_dim), rows(q_rows, a.kv_heads, a.key_dim), values] {
            input.push(p.weight_rows(&fused, order, q_rows + k_rows + v_rows, spec.hidden)?);
        }
    } else {
        let queries =
            if a.gated { RowOrder::every_second(0, a.heads, a.key_dim) } else { rows(0, a.heads, a.key_dim) };
        let all_rows = if a.gated { 2 * q_rows } else { q_rows };
        input.push(p.weight_rows(&name("attn_q"), queries, all_rows, spec.hidden)?);
        if a.shared_kv.is_none() {
            input.push(p.weight_rows(
                &name("attn_k"),
                rows(0, a.kv_heads, a.key_dim),
                k_rows,
                spec.hidden,
            )?);
            input.push(p.weight(&name("attn_v"), v_rows, spec.hidden)?);
        }
        if a.gated {
            let gates = RowOrder::every_second(1, a.heads, a.key_dim);
            input.push(p.weight_rows(&name("attn_q"), gates, all_rows, spec.hidden)?);
        }
    }
    let (q_norm, k_norm) = plan_qk_norm(p, index, a, &rows)?;
    let v_norm = a.value_norm.then(|| p.plain_norm());
    let output = p.weight(&name("attn_output"), spec.hidden, a.heads * a.value_dim)?;
    Ok(AttentionWeights { input, q_norm, k_norm, v_norm, output })
}

/// Per-head norms are re-ordered like the heads they multiply.
fn plan_qk_norm(
    p: &mut Planner<'_>,
    index: usize,
    a: &AttentionSpec,
    rows: &dyn Fn(usize, usize, usize) -> RowOrder,
) -> Result<(Option<NormParams>, Option<NormParams>)> {
    let mut norm = |role: &str, heads: usize| -> Result<Option<NormParams>> {
        let name = format!("blk.{index}.{role}.weight");
        let len = heads * a.key_dim;
        let weight = p.elements(&name, rows(0, heads, a.key_dim), len)?;
        let bias_name = format!("blk.{index}.{role}.bias");
        let bias = if p.has(&bias_name) {
            Some(p.elements(&bias_name, rows(0, heads, a.key_dim), len)?)
        } else {
            None
        };
        Ok(Some(NormParams { weight: Some(weight), bias, ..p.plain_norm() }))
    };
    let (q_heads, k_heads) = match a.qk_norm {
        QkNorm::Absent => return Ok((None, None)),
        QkNorm::PerHead => (1, 1),
        QkNorm::Whole => (a.heads, a.kv_heads),
    };
    let k_norm = if a.shared_kv.is_none() { norm("attn_k_norm", k_heads)? } else { None };
    Ok((norm("attn_q_norm", q_heads)?, k_norm))
}

fn plan_delta_net(
    p: &mut Planner<'_>,
    hidden: usize,
    index: usize,
    net: &DeltaNetSpec,
) -> Result<DeltaNetWeights> {
    let name = |role: &str| format!("blk.{index}.{role}");
    let values = net.value_heads * net.value_dim;
    let channels = 2 * net.key_heads * net.key_dim + values;
    Ok(DeltaNetWeights {
        input: vec![
            p.weight(&name("attn_qkv"), channels, hidden)?,
            p.weight(&name("attn_gate"), values, hidden)?,
            p.weight(&name("ssm_beta"), net.value_heads, hidden)?,
            p.weight(&name("ssm_alpha"), net.value_heads, hidden)?,
        ],
        kernel: p.vector(&name("ssm_conv1d.weight"), channels * net.taps)?,
        a: p.vector(&name("ssm_a"), net.value_heads)?,
        dt: p.vector(&name("ssm_dt.bias"), net.value_heads)?,
        norm: p.norm(&name("ssm_norm"), net.value_dim)?,
        output: p.weight(&name("ssm_out"), hidden, values)?,
    })
}

fn plan_feed_forward(
    p: &mut Planner<'_>,
    hidden: usize,
    index: usize,
    ff: &FeedForward,
) -> Result<FeedForwardWeights> {
    let name = |role: &str| format!("blk.{index}.{role}");
    match ff {
        FeedForward::Dense { width, gated, .. } => {
            let width = *width;
            let input = if p.has(&name("ffn_gate.weight")) {
                vec![p.weight(&name("ffn_gate"), width, hidden)?, p.weight(&name("ffn_up"), width, hidden)?]
            } else if *gated {
                let half = |start| RowOrder::Range { start, len: width };
                vec![
                    p.weight_rows(&name("ffn_up"), half(0), 2 * width, hidden)?,
                    p.weight_rows(&name("ffn_up"), half(width), 2 * width, hidden)?,
                ]
            } else {
                vec![p.weight(&name("ffn_up"), width, hidden)?]
            };
            Ok(FeedForwardWeights::Dense { input, down: p.weight(&name("ffn_down"), hidden, width)? })
        }
        FeedForward::Experts(ExpertsSpec { count, width, selection_bias, .. }) => {
            Ok(FeedForwardWeights::Experts {
                router: p.weight(&name("ffn_gate_inp"), *count, hidden)?,
                gate: p.matrix(&name("ffn_gate_exps.weight"), count * width, hidden)?,
                up: p.matrix(&name("ffn_up_exps.weight"), count * width, hidden)?,
                down: p.matrix(&name("ffn_down_exps.weight"), count * hidden, *width)?,
                selection_bias: if *selection_bias {
                    Some(p.vector(&name("exp_probs_b.bias"), *count)?)
                } else {
                    None
                },
            })
        }
    }
}
