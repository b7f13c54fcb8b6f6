//! Typed access to one family's keys: `llama.block_count` is `keys.usize("block_count")`.

use crate::error::{Error, ErrorKind, Result, bail};
use crate::gguf::{Array, Metadata, Value};

/// Numbers beyond this are damage: no dimension or context of a model is as large.
const MAX_DIMENSION: u64 = 1 << 24;
/// No matrix has more rows; small enough that sums of a few of them fit into 32 bits.
const MAX_ROWS: usize = 1 << 29;

pub(super) struct Keys<'a> {
    pub metadata: &'a Metadata,
    pub family: &'a str,
}

impl Keys<'_> {
    pub fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.family)
    }

    /// A dimension that may be absent.
    ///
    /// # Errors
    /// `corrupt_file` if it is there and not a sensible number.
    pub fn optional(&self, key: &str) -> Result<Option<usize>> {
        let name = self.name(key);
        match self.metadata.get(&name) {
            None => Ok(None),
            Some(_) => match self.metadata.u64(&name).filter(|&v| v <= MAX_DIMENSION) {
                Some(value) => Ok(usize::try_from(value).ok()),
                None => bail!(CorruptFile, "metadata key {name} is no sensible size"),
            },
        }
    }

    /// A dimension that must be there and not zero.
    ///
    /// # Errors
    /// `corrupt_file`
    pub fn required(&self, key: &str) -> Result<usize> {
        match self.optional(key)? {
            Some(value) if value > 0 => Ok(value),
            Some(_) => bail!(CorruptFile, "metadata key {} is zero", self.name(key)),
            None => bail!(CorruptFile, "metadata key {} is missing", self.name(key)),
        }
    }

    /// A dimension of layer `layer`, stored once for all or as an array.
    ///
    /// # Errors
    /// `corrupt_file`
    pub fn per_layer(&self, key: &str, layer: usize) -> Result<Option<usize>> {
        match self.metadata.get(&self.name(key)) {
            Some(Value::Array(Array::Ints(values))) => {
                let value = values
                    .get(layer)
                    .and_then(|&v| usize::try_from(v).ok())
                    .filter(|&v| v as u64 <= MAX_DIMENSION);
                value.map(Some).ok_or_else(|| {
                    Error::new(
                        ErrorKind::CorruptFile,
                        format!("metadata key {} has no sensible entry for layer {layer}", self.name(key)),
                    )
                })
            }
            _ => self.optional(key),
        }
    }

    /// A number that may be absent.
    ///
    /// # Errors
    /// `corrupt_file` if it is there and not finite.
    #[allow(clippy::cast_possible_truncation, reason = "hyper-parameters are f32 in the format")]
    pub fn float(&self, key: &str) -> Result<Option<f32>> {
        let name = self.name(key);
        match self.metadata.get(&name) {
            None => Ok(None),
            Some(_) => match self.metadata.f64(&name).map(|value| value as f32).filter(|v| v.is_finite()) {
                Some(value) => Ok(Some(value)),
                None => bail!(CorruptFile, "metadata key {name} is no finite number"),
            },
        }
    }

    /// The product of dimensions, which some matrix has as rows.
    ///
    /// # Errors
    /// `corrupt_file` naming `what` if it is larger than any model's.
    pub fn rows(&self, what: &str, dimensions: &[usize]) -> Result<usize> {
        let product = dimensions
            .iter()
            .try_fold(1usize, |product, &n| product.checked_mul(n))
            .filter(|&n| n <= MAX_ROWS);
        product.ok_or_else(|| {
            Error::new(
                ErrorKind::CorruptFile,
                format!(
                    "metadata keys {} describe {what} of {dimensions:?}: no model has as many",
                    self.name("*")
                ),
            )
        })
    }

    pub fn bool(&self, key: &str) -> Option<bool> {
        self.metadata.bool(&self.name(key))
    }

    pub fn bools(&self, key: &str) -> Option<&[bool]> {
        self.metadata.bools(&self.name(key))
    }

    pub fn str(&self, key: &str) -> Option<&str> {
        self.metadata.str(&self.name(key))
    }
}
