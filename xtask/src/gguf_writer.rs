//! Writing GGUF version 3: metadata, the tensor table, then each tensor's bytes as they come.

use std::io::{self, Write};

use anyhow::{Result, bail, ensure};

/// Tensor data start, and each tensor starts, at a multiple of this.
pub const ALIGNMENT: u64 = 32;

/// A metadata value; only the types that models are written with here.
pub enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    String(String),
    I32s(Vec<i32>),
    Strings(Vec<String>),
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Self {
        Self::F32(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<Vec<i32>> for Value {
    fn from(value: Vec<i32>) -> Self {
        Self::I32s(value)
    }
}

impl From<Vec<String>> for Value {
    fn from(value: Vec<String>) -> Self {
        Self::Strings(value)
    }
}

/// One line of the tensor table.
pub struct Tensor {
    pub name: String,
    /// ggml's order: the row length first.
    pub dims: Vec<u64>,
    /// ggml's number of the type.
    pub type_id: u32,
    pub size_bytes: u64,
}

/// Everything before the tensor data.
#[derive(Default)]
pub struct Header {
    metadata: Vec<(String, Value)>,
    tensors: Vec<Tensor>,
}

impl Header {
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.metadata.push((key.into(), value.into()));
    }

    pub fn tensor(&mut self, tensor: Tensor) {
        self.tensors.push(tensor);
    }

    /// The header's bytes, padded up to where tensor data start.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(b"GGUF");
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            put_string(&mut out, key);
            put_value(&mut out, value);
        }
        let mut offset = 0u64;
        for tensor in &self.tensors {
            put_string(&mut out, &tensor.name);
            out.extend((tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
            out.extend(tensor.type_id.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += tensor.size_bytes.next_multiple_of(ALIGNMENT);
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
        out
    }

    /// How long the whole file will be.
    pub fn file_size(&self) -> u64 {
        let data = self.tensors.iter().map(|tensor| tensor.size_bytes.next_multiple_of(ALIGNMENT));
        self.encode().len() as u64 + data.sum::<u64>()
    }

    /// Writes the header; the tensors' bytes must follow in the table's order.
    pub fn start<W: Write>(self, mut out: W) -> Result<Data<W>> {
        out.write_all(&self.encode())?;
        Ok(Data { out, tensors: self.tensors.into_iter(), left: 0, padding: 0 })
    }
}

/// The part of the file that holds tensor data.
pub struct Data<W> {
    out: W,
    tensors: std::vec::IntoIter<Tensor>,
    left: u64,
    padding: u64,
}

impl<W: Write> Data<W> {
    /// Ends the tensor before, and says which one comes now.
    pub fn next_tensor(&mut self) -> Result<Option<Tensor>> {
        ensure!(self.left == 0, "{} bytes of a tensor are missing", self.left);
        io::copy(&mut io::Read::take(io::repeat(0), self.padding), &mut self.out)?;
        let tensor = self.tensors.next();
        self.left = tensor.as_ref().map_or(0, |tensor| tensor.size_bytes);
        self.padding = self.left.next_multiple_of(ALIGNMENT) - self.left;
        Ok(tensor)
    }

    /// More bytes of the current tensor.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            bail!("{} bytes too many for a tensor", bytes.len() as u64 - self.left);
        };
        self.left = left;
        Ok(self.out.write_all(bytes)?)
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<W> {
        if let Some(tensor) = self.next_tensor()? {
            bail!("the tensor {} was not written", tensor.name);
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The type's number, then the value.
fn put_value(out: &mut Vec<u8>, value: &Value) {
    const I32: u32 = 5;
    const STRING: u32 = 8;
    const ARRAY: u32 = 9;
    let mut id = |id: u32| out.extend(id.to_le_bytes());
    match value {
        Value::U32(value) => {
            id(4);
            out.extend(value.to_le_bytes());
        }
        Value::F32(value) => {
            id(6);
            out.extend(value.to_le_bytes());
        }
        Value::Bool(value) => {
            id(7);
            out.push((*value).into());
        }
        Value::String(value) => {
            id(STRING);
            put_string(out, value);
        }
        Value::I32s(values) => {
            id(ARRAY);
            id(I32);
            out.extend((values.len() as u64).to_le_bytes());
            values.iter().for_each(|value| out.extend(value.to_le_bytes()));
        }
        Value::Strings(values) => {
            id(ARRAY);
            id(STRING);
            out.extend((values.len() as u64).to_le_bytes());
            values.iter().for_each(|value| put_string(out, value));
        }
    }
}
