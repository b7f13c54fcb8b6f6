//! A model as plain data: the buffers it works in, the state it keeps, and the list of ops that turn
//! token ids into logits. No back end in it: every engine executes the same recording.

use crate::kernels::attention::Attention;
use crate::kernels::delta_net::DeltaNet;
use crate::kernels::embed::Embed;
use crate::kernels::experts::Experts;
use crate::kernels::linear::Linear;
use crate::kernels::logits::Logits;
use crate::kernels::norm::Norm;
use crate::kernels::scale::Scale;
use crate::kernels::short_conv::ShortConv;

/// A weight matrix, `[rows, columns]`, in whatever format the file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatrixId(pub usize);

/// A vector of f32: norms, biases, convolution kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VectorId(pub usize);

/// An activation buffer, `[tokens, width]`, f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Buf(pub usize);

/// Columns `offset .. offset + width` of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The buffer.
    pub buf: Buf,
    /// First column.
    pub offset: usize,
    /// Number of columns.
    pub width: usize,
}

impl View {
    /// Columns `offset .. offset + width` of this view.
    pub fn slice(self, offset: usize, width: usize) -> View {
        assert!(offset + width <= self.width, "a slice lies inside its view");
        View { buf: self.buf, offset: self.offset + offset, width }
    }
}

/// Keys and values of one attention layer, both `[context, …]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheShape {
    /// Key-value heads.
    pub heads: usize,
    /// kv_heads × key dimension.
    pub key_width: usize,
    /// kv_heads × value dimension.
    pub value_width: usize,
}

/// Rotary embedding: the angle of pair i at position p is `p · frequencies[i]`; cos and sin are multiplied by `scale`.
#[derive(Debug, Clone, PartialEq)]
pub struct RopeTable {
    /// One per rotated pair (i, i + len): twice as many dimensions are rotated.
    pub frequencies: Vec<f64>,
    /// YaRN's and longrope's attention factor.
    pub scale: f32,
}

/// One step of the forward pass.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each kernel's own file documents it")]
pub enum Op {
    Embed(Embed),
    Linear(Linear),
    Norm(Norm),
    Attention(Attention),
    ShortConv(ShortConv),
    DeltaNet(DeltaNet),
    Experts(Experts),
    Scale(Scale),
    Logits(Logits),
}

/// The forward pass of one model, for any number of tokens.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// Widths of the activation buffers.
    pub buffers: Vec<usize>,
    /// Key-value caches, one per layer that owns one.
    pub caches: Vec<CacheShape>,
    /// Recurrent states, in f32 elements each; zero at the start of a sequence.
    pub states: Vec<usize>,
    /// Rotary tables.
    pub ropes: Vec<RopeTable>,
    /// What to do, in order. `Logits` comes last.
    pub ops: Vec<Op>,
}

impl Recording {
    /// A new buffer `[tokens, width]`.
    pub fn buffer(&mut self, width: usize) -> View {
        self.buffers.push(width);
        View { buf: Buf(self.buffers.len() - 1), offset: 0, width }
    }

    /// A new key-value cache.
    pub fn cache(&mut self, shape: CacheShape) -> usize {
        self.caches.push(shape);
        self.caches.len() - 1
    }

    /// A new recurrent state of `len` elements.
    pub fn state(&mut self, len: usize) -> usize {
        self.states.push(len);
        self.states.len() - 1
    }

    /// Appends an op.
    pub fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Whether a sequence can be cut back to any earlier position: recurrent state cannot.
    pub fn can_rewind(&self) -> bool {
        self.states.is_empty()
    }
}
