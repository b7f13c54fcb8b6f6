//! Keys and values of one layer as this engine keeps them: plain beside plain weights, in 8 bits beside quantised ones.
//!
//! Eight bits take a quarter of the memory, and of the time in which a long context is read. Keys have a step per
//! position and 32 dimensions, values one per position. Both are interleaved so that one lane, 16 bytes, holds four
//! times four of them: four dimensions of four positions of a key, four positions of four dimensions of a value.

use super::lane::Lane;
use super::math::largest_magnitude;
use super::matrix::BLOCK;
use super::team::Parts;
use super::zeroed;
use crate::error::Result;
use crate::kernels::memory::Cache;
use crate::recording::CacheShape;

/// Positions, or dimensions, that share a lane.
pub const FOUR: usize = 4;
/// Lanes of a key's block: the steps of four positions, then their quants.
pub const KEY_LANES: usize = 1 + BLOCK / FOUR;
const WHAT: &str = "the key-value cache";

/// One layer's cache.
pub enum KvCache {
    /// `[context, width]` of f32.
    Plain(Cache),
    /// In 8 bits.
    Quantized(QuantizedCache),
}

/// A cache in 8 bits.
#[derive(Default)]
pub struct QuantizedCache {
    shape: CacheShape,
    /// Positions, a multiple of the block.
    context: usize,
    /// `[heads, positions / 4, key blocks]` of [`KEY_LANES`].
    keys: Vec<Lane>,
    /// `[heads, dimensions / 4, positions / 4]`, whole positions; rounded up.
    values: Vec<Lane>,
    /// `[heads, positions]`
    value_steps: Vec<f32>,
}

/// Bytes that a position takes beside plain or `quantized` weights.
pub fn cache_bytes_per_token(shape: &CacheShape, quantized: bool) -> u64 {
    let bytes = if quantized && is_worthwhile(shape) {
        let per_head = key_blocks(shape) * KEY_LANES * size_of::<Lane>() / FOUR
            + value_groups(shape) * size_of::<Lane>() / FOUR
            + size_of::<f32>();
        shape.heads * per_head
    } else {
        (shape.key_width + shape.value_width) * size_of::<f32>()
    };
    bytes as u64
}

/// Heads smaller than a block are those of toys, which eight bits would change more than they would save.
fn is_worthwhile(shape: &CacheShape) -> bool {
    shape.key_width / shape.heads >= BLOCK
}

fn key_blocks(shape: &CacheShape) -> usize {
    (shape.key_width / shape.heads).div_ceil(BLOCK)
}

fn value_groups(shape: &CacheShape) -> usize {
    (shape.value_width / shape.heads).div_ceil(FOUR)
}

impl Default for KvCache {
    fn default() -> Self {
        Self::Plain(Cache::default())
    }
}

impl KvCache {
    /// Room for `context` positions beside plain or `quantized` weights.
    ///
    /// # Errors
    /// `out_of_memory`
    pub fn new(shape: CacheShape, context: usize, quantized: bool) -> Result<Self> {
        if quantized && is_worthwhile(&shape) {
            return QuantizedCache::new(shape, context).map(Self::Quantized);
        }
        let keys = zeroed(context * shape.key_width, WHAT)?;
        Ok(Self::Plain(Cache { keys, values: zeroed(context * shape.value_width, WHAT)? }))
    }

    /// Takes over the first `tokens` positions of `source`, a cache of the same `shape`.
    pub fn copy_from(&mut self, source: &Self, shape: &CacheShape, tokens: usize) {
        match (self, source) {
            (Self::Plain(to), Self::Plain(from)) => {
                let (keys, values) = (tokens * shape.key_width, tokens * shape.value_width);
                to.keys[..keys].copy_from_slice(&from.keys[..keys]);
                to.values[..values].copy_from_slice(&from.values[..values]);
            }
            (Self::Quantized(to), Self::Quantized(from)) => to.copy_from(from, tokens),
            _ => {}
        }
    }
}

impl QuantizedCache {
    fn new(shape: CacheShape, context: usize) -> Result<Self> {
        let context = context.next_multiple_of(BLOCK);
        let groups = shape.heads * context / FOUR;
        Ok(Self {
            keys: zeroed(groups * key_blocks(&shape) * KEY_LANES, WHAT)?,
            values: zeroed(groups * value_groups(&shape), WHAT)?,
            value_steps: zeroed(shape.heads * context, WHAT)?,
            shape,
            context,
        })
    }

    /// Lanes of four positions' keys.
    fn key_stride(&self) -> usize {
        key_blocks(&self.shape) * KEY_LANES
    }

    /// Keys of head `head`, four positions after the other: `[positions / 4, blocks]` of [`KEY_LANES`].
    pub fn keys(&self, head: usize) -> &[[Lane; KEY_LANES]] {
        let len = self.context / FOUR * self.key_stride();
        self.keys[head * len..][..len].as_chunks().0
    }

    /// Dimensions `4 · group ..` of head `head`'s values, `[positions / 4]`.
    pub fn values(&self, head: usize, group: usize) -> &[Lane] {
        let len = self.context / FOUR;
        &self.values[(head * value_groups(&self.shape) + group) * len..][..len]
    }

    /// Steps of head `head`'s values.
    pub fn value_steps(&self, head: usize) -> &[f32] {
        &self.value_steps[head * self.context..][..self.context]
    }

    fn copy_from(&mut self, source: &Self, tokens: usize) {
        let groups = tokens.div_ceil(FOUR);
        let copy = |to: &mut [Lane], from: &[Lane], rows: usize, len: usize| {
            let (to_stride, from_stride) = (to.len() / rows, from.len() / rows);
            for (to, from) in to.chunks_exact_mut(to_stride).zip(from.chunks_exact(from_stride)) {
                to[..len].copy_from_slice(&from[..len]);
            }
        };
        let (heads, stride) = (self.shape.heads, self.key_stride());
        copy(&mut self.keys, &source.keys, heads, groups * stride);
        copy(&mut self.values, &source.values, heads * value_groups(&self.shape), groups);
        for head in 0..heads {
            self.value_steps[head * self.context..][..tokens]
                .copy_from_slice(&source.value_steps(head)[..tokens]);
        }
    }

    /// The heads, each to be written by one thread.
    pub fn writer(&mut self) -> Writer<'_> {
        Writer {
            shape: self.shape,
            context: self.context,
            keys: Parts::of(&mut self.keys),
            values: Parts::of(&mut self.values),
            value_steps: Parts::of(&mut self.value_steps),
        }
    }
}

/// Writes positions of heads.
pub struct Writer<'a> {
    shape: CacheShape,
    context: usize,
    keys: Parts<'a, Lane>,
    values: Parts<'a, Lane>,
    value_steps: Parts<'a, f32>,
}

impl Writer<'_> {
    /// Puts `key` and `value` at `position` of head `head`.
    ///
    /// # Safety
    /// Nobody else writes this head meanwhile, or reads it.
    pub unsafe fn put(&self, head: usize, position: usize, key: &[f32], value: &[f32]) {
        let (group, row) = (position / FOUR, position % FOUR);
        let stride = key_blocks(&self.shape) * KEY_LANES;
        // SAFETY: the head is the caller's.
        let keys = unsafe { self.keys.get((head * self.context / FOUR + group) * stride, stride) };
        for (block, lanes) in key.chunks(BLOCK).zip(keys.as_chunks_mut::<KEY_LANES>().0) {
            let (step, inverse) = steps(block);
            lanes[0].set_f32(row, step);
            for (column, value) in block.iter().enumerate() {
                lanes[1 + column / FOUR].0[row * FOUR + column % FOUR] = round(value * inverse);
            }
        }
        let (step, inverse) = steps(value);
        // SAFETY: as above.
        unsafe { self.value_steps.get(head * self.context + position, 1)[0] = step };
        let groups = value_groups(&self.shape);
        for (index, value) in value.chunks(FOUR).enumerate() {
            // SAFETY: as above.
            let lane = unsafe { self.values.get((head * groups + index) * self.context / FOUR + group, 1) };
            for (dimension, value) in value.iter().enumerate() {
                lane[0].0[dimension * FOUR + row] = round(value * inverse);
            }
        }
    }
}

/// The step at which the largest magnitude is 127, and its inverse.
fn steps(values: &[f32]) -> (f32, f32) {
    let largest = largest_magnitude(values);
    (largest / 127.0, if largest > 0.0 { 127.0 / largest } else { 0.0 })
}

#[allow(clippy::cast_possible_truncation, reason = "at most 127 in magnitude")]
fn round(value: f32) -> u8 {
    (value.round_ties_even() as i8).cast_unsigned()
}
