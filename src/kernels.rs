//! One kernel, one file: the equation, the operands with their shapes, and the naive twin that
//! every faster implementation is compared with.
//!
//! Names of dimensions, here and everywhere: `tokens` (batch rows), `hidden` (residual width), `heads`,
//! `kv_heads`, `head_dim`, `experts`, `channels`, `rows` × `columns` of a weight matrix.

pub mod formats;
