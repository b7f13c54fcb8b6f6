//! 16 bytes of a repacked matrix.

/// Four f32, or sixteen quants.
#[derive(Clone, Copy, Default)]
#[repr(align(16))]
pub struct Lane(pub [u8; 16]);

impl Lane {
    /// Float `index`.
    pub fn f32(self, index: usize) -> f32 {
        let at = index * 4;
        f32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    /// Sets float `index`.
    pub fn set_f32(&mut self, index: usize, value: f32) {
        self.0[index * 4..][..4].copy_from_slice(&value.to_le_bytes());
    }
}
