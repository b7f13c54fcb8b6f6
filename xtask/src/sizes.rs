//! What the built package weighs: the bytes on disk and those on the wire.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::{Compression, write::GzEncoder};

/// One shipped file.
pub struct Size {
    pub name: String,
    pub raw: usize,
    pub gzip: usize,
}

/// The wasm modules and scripts directly or indirectly below `dir`, largest first.
pub fn measure(dir: &Path) -> Result<Vec<Size>> {
    let mut sizes = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "wasm" || ending == "js") {
                sizes.push(measure_file(dir, path)?);
            }
        }
    }
    sizes.sort_by_key(|size| std::cmp::Reverse(size.raw));
    Ok(sizes)
}

fn measure_file(dir: &Path, path: PathBuf) -> Result<Size> {
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    let name = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
    Ok(Size { name, raw: bytes.len(), gzip: encoder.finish()?.len() })
}

/// The sizes as a table.
pub fn table(sizes: &[Size]) -> String {
    let total = |pick: fn(&Size) -> usize| sizes.iter().map(pick).sum::<usize>();
    let line = |name: &str, raw: usize, gzip: usize| format!("  {name:<32}{raw:>12}{gzip:>12}\n");
    let mut text = format!("  {:<32}{:>12}{:>12}\n", "bytes", "raw", "gzip");
    for size in sizes {
        text += &line(&size.name, size.raw, size.gzip);
    }
    text + &line("total", total(|size| size.raw), total(|size| size.gzip))
}
