//! Typed access to one family's keys: `llama.block_count` is `keys.usize("block_count")`.

use crate::error::{Error, ErrorKind, Result, bail};
use crate::gguf::{Array, Metadata, Value};

/// Numbers beyond this are damage: no dimension of a model is as large.
const MAX_DIMENSION: u64 = 1 << 31;

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
                let value = values.get(layer).and_then(|&v| usize::try_from(v).ok()).filter(|&v| v as u64 <= MAX_DIMENSION);
                value.map(Some).ok_or_else(|| {
                    Error::new(ErrorKind::CorruptFile, format!("metadata key {} has no sensible entry for layer {layer}", self.name(key)))
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
            Some(_) => match self.metadata.f64(&name).filter(|v| v.is_finite()) {
                Some(value) => Ok(Some(value as f32)),
                None => bail!(CorruptFile, "metadata key {name} is no finite number"),
            },
        }
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
