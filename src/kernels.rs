//! One kernel, one file: the equation, the operands with their shapes, and the naive twin that
//! every faster implementation is compared with.
//!
//! Names of dimensions, here and everywhere: `tokens` (rows of a batch), `hidden` (residual width),
//! `heads`, `kv_heads`, `head_dim`, `experts`, `channels`; a weight matrix is `[rows, columns]`.

pub mod activation;
pub mod argmax;
pub mod attention;
pub mod delta_net;
pub mod draw;
pub mod embed;
pub mod experts;
pub mod formats;
pub mod linear;
pub mod logits;
pub mod memory;
pub mod norm;
pub mod scale;
pub mod short_conv;
