//! What several test files share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};

/// Shared test data at `relative`, or `None` (and a line that says so) where the data are not present.
pub fn assets(relative: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TABMIND_ASSETS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/assets"), PathBuf::from);
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: test data not found: {relative}");
    None
}

/// Little-endian floats.
pub fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// How often a repeated test repeats: `count` times, or a hundred times as often in a soak run.
pub fn soak(count: u32) -> u32 {
    if std::env::var_os("TABMIND_SOAK").is_some() { count.saturating_mul(100) } else { count }
}
