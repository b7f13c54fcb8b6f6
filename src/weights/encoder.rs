//! An encoder's weights: read tensor by tensor, dequantised, with their shapes checked first.

use super::load_vector;
use crate::cancel::Cancel;
use crate::encoder::{Dense, EncoderLayer, EncoderWeights, LayerNorm};
use crate::error::{Error, ErrorKind, Result, bail};
use crate::gguf::Gguf;
use crate::source::Source;
use crate::spec::EncoderSpec;

/// Where an encoder's weights come from.
struct Reader<'a> {
    gguf: &'a Gguf,
    parts: &'a [Box<dyn Source>],
    cancel: &'a Cancel,
    on_bytes: &'a mut dyn FnMut(u64),
    loaded: u64,
}

/// Reads all weights; `on_bytes` is told how many bytes of the file have been taken in.
///
/// # Errors
/// `corrupt_file` naming a tensor that is missing or has another shape; `out_of_memory`, `aborted`; what the source
/// fails with.
pub async fn load_encoder(
    spec: &EncoderSpec,
    gguf: &Gguf,
    parts: &[Box<dyn Source>],
    cancel: &Cancel,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<EncoderWeights> {
    let mut reader = Reader { gguf, parts, cancel, on_bytes, loaded: 0 };
    let (hidden, wide) = (spec.hidden, spec.feed_forward);
    let tokens = reader.tensor("token_embd.weight", spec.vocab, hidden).await?;
    let positions = reader.tensor("position_embd.weight", spec.context_length, hidden).await?;
    let kinds = gguf.tensor("token_types.weight").map_or(0, |tensor| tensor.rows());
    let kind = match kinds {
        0 => vec![0.0; hidden],
        // One text at a time: all of its tokens are of the first kind.
        _ => reader
            .tensor("token_types.weight", kinds, hidden)
            .await?
            .get(..hidden)
            .unwrap_or_default()
            .to_vec(),
    };
    let norm = reader.norm("token_embd_norm", hidden).await?;
    let mut layers = Vec::new();
    for index in 0..spec.layers {
        let name = |role: &str| format!("blk.{index}.{role}");
        layers.push(EncoderLayer {
            query: reader.dense(&name("attn_q"), hidden, hidden).await?,
            key: reader.dense(&name("attn_k"), hidden, hidden).await?,
            value: reader.dense(&name("attn_v"), hidden, hidden).await?,
            output: reader.dense(&name("attn_output"), hidden, hidden).await?,
            attention_norm: reader.norm(&name("attn_output_norm"), hidden).await?,
            up: reader.dense(&name("ffn_up"), wide, hidden).await?,
            down: reader.dense(&name("ffn_down"), hidden, wide).await?,
            norm: reader.norm(&name("layer_output_norm"), hidden).await?,
        });
    }
    Ok(EncoderWeights { tokens, positions, kind, norm, layers })
}

impl Reader<'_> {
    async fn dense(&mut self, name: &str, rows: usize, columns: usize) -> Result<Dense> {
        let weights = self.tensor(&format!("{name}.weight"), rows, columns).await?;
        let bias = self.tensor(&format!("{name}.bias"), 1, rows).await?;
        Ok(Dense { rows, columns, weights, bias })
    }

    async fn norm(&mut self, name: &str, width: usize) -> Result<LayerNorm> {
        let weight = self.tensor(&format!("{name}.weight"), 1, width).await?;
        let bias = self.tensor(&format!("{name}.bias"), 1, width).await?;
        Ok(LayerNorm { weight, bias })
    }

    /// A tensor of `[rows, columns]`, as f32.
    async fn tensor(&mut self, name: &str, rows: usize, columns: usize) -> Result<Vec<f32>> {
        self.cancel.check()?;
        let Some(tensor) = self.gguf.tensor(name) else { bail!(CorruptFile, "tensor {name} is missing") };
        if (tensor.rows(), tensor.columns()) != (rows, columns) {
            bail!(
                CorruptFile,
                "tensor {name} is {} × {}; {rows} × {columns} is expected",
                tensor.rows(),
                tensor.columns()
            );
        }
        let Some(part) = self.parts.get(tensor.part) else {
            return Err(Error::new(ErrorKind::CorruptFile, format!("tensor {name} lies in a missing file")));
        };
        let values = load_vector(tensor, part.as_ref()).await?;
        self.loaded += tensor.bytes;
        (self.on_bytes)(self.loaded);
        Ok(values)
    }
}
