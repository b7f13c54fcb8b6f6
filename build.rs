//! The GPU's kernels enter the module without their comments, which readers of the source need and a page would download.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const KERNELS: &str = "src/engine/gpu/wgsl";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={KERNELS}");
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    for entry in fs::read_dir(KERNELS)? {
        let path = entry?.path();
        fs::write(folder.join(path.file_name().unwrap_or_default()), bare(&path)?)?;
    }
    Ok(())
}

/// Where WGSL needs no space. (`- ` stays, as what follows may begin with one; so does `> =`.)
const TIGHT: &[&str] = &[", ", ": ", "; ", " {", " = ", " += ", " + ", " * ", " < ", " && ", " == "];

/// A kernel without comments, indentation, empty lines and most spaces. WGSL has no strings, so `//` is always a comment.
fn bare(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().filter_map(|line| line.split("//").next()).map(str::trim);
    let bare: String = lines.filter(|line| !line.is_empty()).flat_map(|line| [line, "\n"]).collect();
    Ok(TIGHT.iter().fold(bare, |text, spaced| text.replace(spaced, spaced.trim())))
}
