//! Key-value metadata of a GGUF file.

use std::collections::BTreeMap;

/// One metadata value.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants are the format's own type names")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Str(String),
    U64(u64),
    I64(i64),
    F64(f64),
    Array(Array),
}

/// An array of values; integers of every width are widened to `i64`, floats to `f64`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants say what they hold")]
pub enum Array {
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Bools(Vec<bool>),
    Strs(Vec<String>),
    Arrays(Vec<Array>),
}

/// All metadata of a file (of the first part, for a split one).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata(BTreeMap<String, Value>);

impl Metadata {
    /// Adds a pair; false if the key was there already (the old value stays).
    pub fn insert(&mut self, key: String, value: Value) -> bool {
        match self.0.entry(key) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(value);
                true
            }
            std::collections::btree_map::Entry::Occupied(_) => false,
        }
    }

    /// The raw value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// All pairs, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// A string.
    pub fn str(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Str(s) => Some(s),
            _ => None,
        }
    }

    /// A non-negative integer of any width.
    pub fn u64(&self, key: &str) -> Option<u64> {
        match *self.get(key)? {
            Value::U8(v) => Some(v.into()),
            Value::U16(v) => Some(v.into()),
            Value::U32(v) => Some(v.into()),
            Value::U64(v) => Some(v),
            Value::I8(v) => v.try_into().ok(),
            Value::I16(v) => v.try_into().ok(),
            Value::I32(v) => v.try_into().ok(),
            Value::I64(v) => v.try_into().ok(),
            _ => None,
        }
    }

    /// A number, whatever its type.
    #[allow(clippy::cast_precision_loss, reason = "hyper-parameters are small")]
    pub fn f64(&self, key: &str) -> Option<f64> {
        match *self.get(key)? {
            Value::F32(v) => Some(v.into()),
            Value::F64(v) => Some(v),
            Value::I64(v) => Some(v as f64),
            _ => self.u64(key).map(|v| v as f64),
        }
    }

    /// A boolean.
    pub fn bool(&self, key: &str) -> Option<bool> {
        match *self.get(key)? {
            Value::Bool(v) => Some(v),
            _ => None,
        }
    }

    /// An array of strings.
    pub fn strs(&self, key: &str) -> Option<&[String]> {
        match self.get(key)? {
            Value::Array(Array::Strs(v)) => Some(v),
            _ => None,
        }
    }

    /// An array of floats.
    pub fn floats(&self, key: &str) -> Option<&[f64]> {
        match self.get(key)? {
            Value::Array(Array::Floats(v)) => Some(v),
            _ => None,
        }
    }

    /// An array of integers.
    pub fn ints(&self, key: &str) -> Option<&[i64]> {
        match self.get(key)? {
            Value::Array(Array::Ints(v)) => Some(v),
            _ => None,
        }
    }

    /// An array of booleans.
    pub fn bools(&self, key: &str) -> Option<&[bool]> {
        match self.get(key)? {
            Value::Array(Array::Bools(v)) => Some(v),
            _ => None,
        }
    }
}
