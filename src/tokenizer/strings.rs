//! Many small byte strings in one allocation: a vocabulary has a hundred thousand of them.

/// Byte strings by index.
#[derive(Debug, Clone, Default)]
pub(super) struct Strings {
    data: Vec<u8>,
    /// End of each string in `data`; it begins where the one before it ends.
    ends: Vec<u32>,
}

impl Strings {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        // A vocabulary of 4 GiB does not get through the reader; saturating keeps `get` sound if one did.
        self.ends.push(u32::try_from(self.data.len()).unwrap_or(u32::MAX));
    }

    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? as usize };
        self.data.get(start..end)
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
}
