//! The transformer: spec and weights become a recording. No family's name appears here.

use crate::kernels::attention::Attention;
use crate::kernels::delta_net::DeltaNet;
use crate::kernels::embed::Embed;
use crate::kernels::experts::Experts;
use crate::kernels::linear::{Epilogue, Linear, Weight};
use crate::kernels::logits::Logits;
use crate::kernels::norm::{Norm, NormMode, NormParams};
use crate::kernels::scale::Scale;
use crate::kernels::short_conv::ShortConv;
use crate::recording::{CacheShape, Op, Recording, RopeTable, View};
use crate::spec::{AttentionSpec, DeltaNetSpec, ExpertsSpec, FeedForward, LayerSpec, Mixer, QkNorm, Spec};
use crate::weights::{
    AttentionWeights, DeltaNetWeights, FeedForwardWeights, LayerWeights, MixerWeights, Weights,
};

/// Records the forward pass of the model.
pub fn record(spec: &Spec, weights: &Weights, ropes: Vec<RopeTable>) -> Recording {
    let mut recording = Recording { ropes, ..Recording::default() };
    let h = recording.buffer(spec.hidden);
    let mut forward = Forward { spec, h, recording, scratch: Vec::new(), layer_caches: Vec::new() };
    forward.recording.push(Op::Embed(Embed { table: weights.embedding, scale: spec.embedding_scale, y: h }));
    let per_layer = forward.per_layer_input(weights);
    for (index, (layer, w)) in spec.layers.iter().zip(&weights.layers).enumerate() {
        forward.layer(layer, w);
        forward.per_layer(w, per_layer, index);
    }
    forward.recording.push(Op::Logits(Logits {
        x: h,
        norm: weights.final_norm,
        weight: weights.output,
        scale: spec.logit_scale,
        softcap: spec.logit_softcap,
    }));
    forward.recording
}

/// Buffers that every layer uses anew.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    MixerInput,
    MixerOutput,
    FeedForward,
    Branch,
    Normed,
    Scores,
    PerLayer,
}

struct Forward<'a> {
    spec: &'a Spec,
    /// The residual stream, `[tokens, hidden]`.
    h: View,
    recording: Recording,
    scratch: Vec<(Role, View)>,
    /// The cache of each layer so far.
    layer_caches: Vec<Option<usize>>,
}

impl Forward<'_> {
    /// `width` columns of the buffer for `role`, which grows to the widest layer.
    fn scratch(&mut self, role: Role, width: usize) -> View {
        let known = self.scratch.iter().find(|(other, _)| *other == role).map(|(_, view)| *view);
        let view = known.unwrap_or_else(|| {
            let view = self.recording.buffer(width);
            self.scratch.push((role, view));
            view
        });
        let whole = &mut self.recording.buffers[view.buf.0];
        *whole = (*whole).max(width);
        View { width, ..view }
    }

    fn linear(
        &mut self,
        x: View,
        norm: Option<NormParams>,
        weights: Vec<Weight>,
        y: View,
        epilogue: Epilogue,
    ) {
        self.recording.push(Op::Linear(Linear { x, norm, weights, y, epilogue }));
    }

    fn norm(&mut self, x: View, group: usize, norm: NormParams, y: View, mode: NormMode) {
        self.recording.push(Op::Norm(Norm { x, group, norm, y, mode }));
    }

    /// One layer: `h += mixer(norm(h)); h += feed_forward(norm(h))`.
    fn layer(&mut self, layer: &LayerSpec, w: &LayerWeights) {
        let (mixed, output) = self.mixer(&layer.mixer, w);
        if self.spec.parallel_residual {
            let inner = self.feed_forward_input(&layer.feed_forward, w);
            self.branch_output(mixed, output, w.post_attn_norm);
            self.feed_forward_output(&layer.feed_forward, w, inner);
        } else {
            self.branch_output(mixed, output, w.post_attn_norm);
            let inner = self.feed_forward_input(&layer.feed_forward, w);
            self.feed_forward_output(&layer.feed_forward, w, inner);
        }
    }

    /// `h += scale · post_norm(W · x)`
    fn branch_output(&mut self, x: View, output: Weight, post_norm: Option<NormParams>) {
        let scale = self.spec.residual_scale;
        match post_norm {
            None => self.linear(x, None, vec![output], self.h, Epilogue::Add(scale)),
            Some(norm) => {
                let branch = self.scratch(Role::Branch, self.spec.hidden);
                self.linear(x, None, vec![output], branch, Epilogue::Store);
                self.norm(branch, self.spec.hidden, norm, self.h, NormMode::Add(scale));
            }
        }
    }

    /// What mixes tokens, up to its output projection; returns that projection's input and weight.
    fn mixer(&mut self, spec: &Mixer, w: &LayerWeights) -> (View, Weight) {
        match (spec, &w.mixer) {
            (Mixer::Attention(spec), MixerWeights::Attention(attention)) => {
                (self.attention(spec, attention, w.attn_norm), attention.output)
            }
            (Mixer::ShortConv(taps), MixerWeights::ShortConv { input, kernel, output }) => {
                let bcx = self.scratch(Role::MixerInput, 3 * self.spec.hidden);
                let y = self.scratch(Role::MixerOutput, self.spec.hidden);
                self.linear(self.h, w.attn_norm, vec![*input], bcx, Epilogue::Store);
                let state = self.recording.state((taps - 1) * self.spec.hidden);
                self.recording.push(Op::ShortConv(ShortConv { bcx, kernel: *kernel, taps: *taps, state, y }));
                self.layer_caches.push(None);
                (y, *output)
            }
            (Mixer::DeltaNet(spec), MixerWeights::DeltaNet(net)) => {
                (self.delta_net(spec, net, w.attn_norm), net.output)
            }
            _ => unreachable!("weights are planned from the same spec"),
        }
    }

    fn attention(&mut self, spec: &AttentionSpec, w: &AttentionWeights, norm: Option<NormParams>) -> View {
        let (q_width, k_width, v_width) =
            (spec.heads * spec.key_dim, spec.kv_heads * spec.key_dim, spec.kv_heads * spec.value_dim);
        let y_width = spec.heads * spec.value_dim;
        let kv_width = if spec.shared_kv.is_some() { 0 } else { k_width + v_width };
        let gate_width = if spec.gated { y_width } else { 0 };
        let all = self.scratch(Role::MixerInput, q_width + kv_width + gate_width);
        self.linear(self.h, norm, w.input.clone(), all, Epilogue::Store);
        let q = all.slice(0, q_width);
        let kv = (kv_width > 0).then(|| (all.slice(q_width, k_width), all.slice(q_width + k_width, v_width)));
        let per_head = spec.qk_norm == QkNorm::PerHead;
        if let (QkNorm::Whole, Some(norm)) = (spec.qk_norm, w.q_norm) {
            self.norm(q, q_width, norm, q, NormMode::Store);
        }
        if let (QkNorm::Whole, Some(norm), Some((k, _))) = (spec.qk_norm, w.k_norm, kv) {
            self.norm(k, k_width, norm, k, NormMode::Store);
        }
        let shared = spec.shared_kv.and_then(|layer| self.layer_caches[layer]);
        let shape = CacheShape { heads: spec.kv_heads, key_width: k_width, value_width: v_width };
        let cache = shared.unwrap_or_else(|| self.recording.cache(shape));
        self.layer_caches.push(Some(cache));
        let y = self.scratch(Role::MixerOutput, y_width);
        self.recording.push(Op::Attention(Attention {
            q,
            kv,
            y,
            gate: spec.gated.then(|| all.slice(q_width + kv_width, gate_width)),
            cache,
            heads: spec.heads,
            kv_heads: spec.kv_heads,
            key_dim: spec.key_dim,
            value_dim: spec.value_dim,
            q_norm: w.q_norm.filter(|_| per_head),
            k_norm: w.k_norm.filter(|_| per_head),
            v_norm: w.v_norm,
            rope: spec.rope,
            scale: spec.scale,
            softcap: spec.softcap,
            window: spec.window,
            temperature: spec.temperature,
        }));
        y
    }

    fn delta_net(&mut self, spec: &DeltaNetSpec, w: &DeltaNetWeights, norm: Option<NormParams>) -> View {
        let values = spec.value_heads * spec.value_dim;
        let channels = 2 * spec.key_heads * spec.key_dim + values;
        let all = self.scratch(Role::MixerInput, channels + values + 2 * spec.value_heads);
        self.linear(self.h, norm, w.input.clone(), all, Epilogue::Store);
        let y = self.scratch(Role::MixerOutput, values);
        let conv_state = self.recording.state((spec.taps - 1) * channels);
        let state = self.recording.state(spec.value_heads * spec.key_dim * spec.value_dim);
        self.layer_caches.push(None);
        self.recording.push(Op::DeltaNet(DeltaNet {
            qkv: all.slice(0, channels),
            z: all.slice(channels, values),
            beta: all.slice(channels + values, spec.value_heads),
            alpha: all.slice(channels + values + spec.value_heads, spec.value_heads),
            kernel: w.kernel,
            taps: spec.taps,
            a: w.a,
            dt: w.dt,
            norm: w.norm,
            key_heads: spec.key_heads,
            value_heads: spec.value_heads,
            key_dim: spec.key_dim,
            value_dim: spec.value_dim,
            conv_state,
            state,
            y,
        }));
        y
    }

    /// The feed-forward up to its output projection: the inner activations, or the experts' normalised input.
    fn feed_forward_input(&mut self, spec: &FeedForward, w: &LayerWeights) -> View {
        match (spec, &w.feed_forward) {
            (FeedForward::Dense { width, activation, gated }, FeedForwardWeights::Dense { input, .. }) => {
                let inner = self.scratch(Role::FeedForward, *width);
                let epilogue =
                    if *gated { Epilogue::Gate(*activation) } else { Epilogue::Activate(*activation) };
                self.linear(self.h, w.ffn_norm, input.clone(), inner, epilogue);
                inner
            }
            _ => {
                let Some(norm) = w.ffn_norm else { return self.h };
                let normed = self.scratch(Role::Normed, self.spec.hidden);
                self.norm(self.h, self.spec.hidden, norm, normed, NormMode::Store);
                normed
            }
        }
    }

    fn feed_forward_output(&mut self, spec: &FeedForward, w: &LayerWeights, inner: View) {
        match (spec, &w.feed_forward) {
            (_, FeedForwardWeights::Dense { down, .. }) => self.branch_output(inner, *down, w.post_ffn_norm),
            (
                FeedForward::Experts(spec),
                FeedForwardWeights::Experts { router, gate, up, down, selection_bias },
            ) => {
                let ExpertsSpec { count, used, width, gating, renormalise, scale, activation, .. } = *spec;
                let scores = self.scratch(Role::Scores, count);
                self.linear(inner, None, vec![*router], scores, Epilogue::Store);
                self.recording.push(Op::Experts(Experts {
                    x: inner,
                    scores,
                    gate: *gate,
                    up: *up,
                    down: *down,
                    width,
                    used,
                    gating,
                    selection_bias: *selection_bias,
                    renormalise,
                    activation,
                    scale: scale * self.spec.residual_scale,
                    y: self.h,
                }));
            }
            _ => unreachable!("weights are planned from the same spec"),
        }
    }

    /// `P = (√width · embedding[token] + norm(W · h / √hidden)) / √2`, `[tokens, layers · width]`.
    #[allow(clippy::cast_precision_loss, reason = "widths are far below 2^24")]
    fn per_layer_input(&mut self, weights: &Weights) -> Option<View> {
        let (w, width) = (weights.per_layer.as_ref()?, self.spec.per_layer_input?);
        let half = std::f32::consts::FRAC_1_SQRT_2;
        let all = width * self.spec.layers.len();
        let inputs = self.recording.buffer(all);
        let projected = self.recording.buffer(all);
        self.recording.push(Op::Embed(Embed {
            table: w.embedding,
            scale: (width as f32).sqrt() * half,
            y: inputs,
        }));
        self.linear(self.h, None, vec![w.projection], projected, Epilogue::Store);
        // Dividing x by √hidden before an RMS norm is the same as multiplying its eps by hidden.
        let norm = NormParams { eps: w.norm.eps * self.spec.hidden as f32, ..w.norm };
        self.norm(projected, width, norm, inputs, NormMode::Add(half));
        Some(inputs)
    }

    /// Gemma 4: `h += norm(W · (act(G · h) · P[layer]))`, then the layer's output scale.
    fn per_layer(&mut self, w: &LayerWeights, inputs: Option<View>, index: usize) {
        if let (Some(w), Some(inputs), Some(width)) = (&w.per_layer, inputs, self.spec.per_layer_input) {
            let gated = self.scratch(Role::PerLayer, width);
            let by = inputs.slice(index * width, width);
            let activation = self.spec.family.activation;
            self.linear(self.h, None, vec![w.gate], gated, Epilogue::Multiply(activation, by));
            let branch = self.scratch(Role::Branch, self.spec.hidden);
            self.linear(gated, None, vec![w.projection], branch, Epilogue::Store);
            self.norm(branch, self.spec.hidden, w.post_norm, self.h, NormMode::Add(1.0));
        }
        if let Some(by) = w.output_scale {
            self.recording.push(Op::Scale(Scale { x: self.h, by }));
        }
    }
}
