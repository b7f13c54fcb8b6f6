//! Encoders: a text in, a vector out. BERT's forward pass (Devlin et al. 2018), in f32.
//!
//! ```text
//! h = norm(tokens[id] + positions[p] + kind)
//! h = norm(h + W · softmax(q · k / √d) · v)      every token sees every other
//! h = norm(h + W · gelu(W · h))                  per layer
//! ```

use crate::cancel::Cancel;
use crate::error::{Result, bail};
use crate::kernels::activation::{Activation, softmax};
use crate::pool::Pool;
use crate::spec::EncoderSpec;
use crate::task::Pace;

/// A matrix `[rows, columns]` with a bias `[rows]`.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "said above")]
pub struct Dense {
    pub rows: usize,
    pub columns: usize,
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

/// LayerNorm's weight and bias, `[hidden]`.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "said above")]
pub struct LayerNorm {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// One layer.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "named after the equations")]
pub struct EncoderLayer {
    pub query: Dense,
    pub key: Dense,
    pub value: Dense,
    pub output: Dense,
    pub attention_norm: LayerNorm,
    pub up: Dense,
    pub down: Dense,
    pub norm: LayerNorm,
}

/// All weights.
#[derive(Debug, Clone)]
pub struct EncoderWeights {
    /// `[vocabulary, hidden]`
    pub tokens: Vec<f32>,
    /// `[context, hidden]`
    pub positions: Vec<f32>,
    /// Of the first kind of token, `[hidden]`.
    pub kind: Vec<f32>,
    /// Of the embeddings.
    pub norm: LayerNorm,
    /// The layers.
    pub layers: Vec<EncoderLayer>,
}

/// A loaded encoder.
#[derive(Debug, Clone)]
pub struct Encoder {
    /// Hyper-parameters.
    pub spec: EncoderSpec,
    weights: EncoderWeights,
}

/// Tokens that share one pass over a matrix.
const TOKENS: usize = 4;
/// Partial sums of a dot product, for SIMD.
const LANES: usize = 8;

impl Encoder {
    /// An encoder of these weights.
    pub fn new(spec: EncoderSpec, weights: EncoderWeights) -> Self {
        Self { spec, weights }
    }

    /// The vector of a text, of length 1.
    ///
    /// # Errors
    /// `context_overflow`, `invalid_request` for no tokens or an id outside the vocabulary, `aborted`,
    /// `numeric_error`.
    pub async fn embed(&self, ids: &[u32], cancel: &Cancel) -> Result<Vec<f32>> {
        let EncoderSpec { context_length, vocab, .. } = self.spec;
        if ids.len() > context_length {
            bail!(ContextOverflow, "the text has {} tokens, the model reads {context_length}", ids.len());
        }
        if let Some(id) = ids.iter().find(|&&id| id as usize >= vocab) {
            bail!(InvalidRequest, "token id {id} is outside the vocabulary of {vocab}");
        }
        if ids.is_empty() {
            bail!(InvalidRequest, "the text is empty: it has no tokens");
        }
        let mut pace = Pace::start();
        let mut h = self.embeddings(ids);
        for layer in &self.weights.layers {
            cancel.check()?;
            self.layer(layer, &mut h);
            pace.breathe().await;
        }
        let mut pool = Pool::new(self.spec.pooling, self.spec.hidden);
        pool.add(&h);
        pool.finish()
    }

    /// `[tokens, hidden]`
    fn embeddings(&self, ids: &[u32]) -> Vec<f32> {
        let hidden = self.spec.hidden;
        let EncoderWeights { tokens, positions, kind, norm, .. } = &self.weights;
        let mut h = Vec::with_capacity(ids.len() * hidden);
        for (position, &id) in ids.iter().enumerate() {
            let token = &tokens[id as usize * hidden..][..hidden];
            let position = &positions[position * hidden..][..hidden];
            h.extend(token.iter().zip(position).zip(kind).map(|((t, p), k)| t + p + k));
        }
        norm.apply(&mut h, self.spec.norm_eps);
        h
    }

    fn layer(&self, layer: &EncoderLayer, h: &mut [f32]) {
        let mixed = self.attention(layer.query.apply(h), layer.key.apply(h), layer.value.apply(h));
        add(h, &layer.output.apply(&mixed));
        layer.attention_norm.apply(h, self.spec.norm_eps);
        let mut inner = layer.up.apply(h);
        inner.iter_mut().for_each(|v| *v = Activation::GeluErf.apply(*v));
        add(h, &layer.down.apply(&inner));
        layer.norm.apply(h, self.spec.norm_eps);
    }

    /// All `[tokens, hidden]`.
    #[allow(clippy::cast_precision_loss, reason = "widths are far below 2^24")]
    fn attention(&self, q: Vec<f32>, k: Vec<f32>, v: Vec<f32>) -> Vec<f32> {
        let hidden = self.spec.hidden;
        let width = hidden / self.spec.heads;
        let scale = 1.0 / (width as f32).sqrt();
        let mut mixed = vec![0.0; q.len()];
        let mut scores = Vec::new();
        for (q, y) in q.chunks_exact(hidden).zip(mixed.chunks_exact_mut(hidden)) {
            for at in (0..hidden).step_by(width) {
                let query = &q[at..at + width];
                scores.clear();
                scores.extend(k.chunks_exact(hidden).map(|k| scale * dot(query, &k[at..at + width])));
                softmax(&mut scores);
                let y = &mut y[at..at + width];
                for (score, v) in scores.iter().zip(v.chunks_exact(hidden)) {
                    y.iter_mut().zip(&v[at..at + width]).for_each(|(y, v)| *y += score * v);
                }
            }
        }
        mixed
    }
}

impl LayerNorm {
    /// Normalises every row of `x`, `[tokens, hidden]`.
    #[allow(clippy::cast_precision_loss, reason = "widths are far below 2^24")]
    fn apply(&self, x: &mut [f32], eps: f32) {
        let n = self.weight.len();
        for row in x.chunks_exact_mut(n) {
            let mean = row.iter().sum::<f32>() / n as f32;
            row.iter_mut().for_each(|v| *v -= mean);
            let scale = 1.0 / (row.iter().map(|v| v * v).sum::<f32>() / n as f32 + eps).sqrt();
            for ((v, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                *v = *v * scale * weight + bias;
            }
        }
    }
}

impl Dense {
    /// `W · x + bias` for every row of `x`, `[tokens, columns]`; `[tokens, rows]`.
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let Self { rows, columns, .. } = *self;
        let mut y = vec![0.0; x.len() / columns * rows];
        for (x, y) in x.chunks(TOKENS * columns).zip(y.chunks_mut(TOKENS * rows)) {
            // A row of weights, once fetched, serves several tokens.
            for (row, (weights, bias)) in self.weights.chunks_exact(columns).zip(&self.bias).enumerate() {
                for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(rows)) {
                    y[row] = dot(weights, x) + bias;
                }
            }
        }
        y
    }
}

fn add(y: &mut [f32], x: &[f32]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
}

/// `Σ a[i] · b[i]`, in as many partial sums as SIMD likes.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}
