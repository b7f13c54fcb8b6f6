//! The wasm modules of the package: what the engine's inner loops may use, and whether threads share their memory.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::build::Profile;
use crate::setup::WASM_TARGET;
use crate::shell;

/// Every module may use these.
const BASE: &[&str] = &["simd128", "bulk-memory", "nontrapping-fptoint", "sign-ext", "mutable-globals"];
/// What a shared memory may grow to: all of wasm32, of which a page takes what it needs.
const MAX_MEMORY_BYTES: u64 = 1 << 32;

/// One of the modules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variant {
    /// As in `tabmind-NAME.js`.
    pub name: &'static str,
    /// Relaxed SIMD, which not every browser has.
    relaxed: bool,
    /// Shared memory, which a page has that is cross-origin isolated.
    threads: bool,
}

/// All of them, the one that runs everywhere first.
pub const ALL: &[Variant] = &[
    Variant { name: "simd", relaxed: false, threads: false },
    Variant { name: "relaxed", relaxed: true, threads: false },
    Variant { name: "simd-threads", relaxed: false, threads: true },
    Variant { name: "relaxed-threads", relaxed: true, threads: true },
];

/// Those that `names`, separated by commas, name.
pub fn parse(names: &str) -> Result<Vec<Variant>> {
    let find = |name: &str| match ALL.iter().find(|variant| variant.name == name) {
        Some(variant) => Ok(*variant),
        None => bail!(
            "there is no build {name}; known are {}",
            ALL.iter().map(|v| v.name).collect::<Vec<_>>().join(", ")
        ),
    };
    names.split(',').map(find).collect()
}

impl Variant {
    /// `cargo rustc` for this module. Relaxed SIMD is asked for in our own crate only, so that its dependencies are
    /// compiled once. Threads need a standard library of their own, which stable Rust builds when it is told to; in what
    /// users get it is built like the other dependencies, which takes 24 kilobytes off a module.
    pub fn cargo(self, profile: Profile, features: &[&str]) -> Result<Command> {
        let mut cargo = shell::cargo();
        cargo.args(["rustc", "--package", "tabmind", "--lib", "--crate-type", "cdylib"]);
        cargo.args(["--target", WASM_TARGET, "--profile", profile.name()]);
        if !features.is_empty() {
            cargo.arg("--features").arg(features.join(","));
        }
        let is_dist = profile == Profile::Dist;
        if self.threads || is_dist {
            // These replace those of `.cargo/config.toml`.
            let mut flags = common_flags(self.threads);
            flags.extend(if self.threads { threads_flags() } else { Vec::new() });
            flags.extend(if is_dist { dist_flags()? } else { Vec::new() });
            // Stable Rust takes what is unstable when it is told to.
            cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        }
        if self.threads || is_dist {
            cargo.args(["-Z", "build-std=std,panic_abort"]);
        }
        if self.threads {
            cargo.arg("--target-dir").arg(self.target_dir());
        }
        if self.relaxed {
            cargo.args(["--", "-Ctarget-feature=+relaxed-simd"]);
        }
        Ok(cargo)
    }

    /// Where cargo builds it. Flags are no part of a dependency's name: in one folder each kind would undo the other's.
    pub fn target_dir(self) -> PathBuf {
        if self.threads { shell::target_dir().join("threads") } else { shell::target_dir() }
    }

    /// What wasm-opt must accept and may emit.
    pub fn wasm_opt_features(self) -> Vec<&'static str> {
        let mut features = vec![
            "--enable-simd",
            "--enable-bulk-memory",
            "--enable-nontrapping-float-to-int",
            "--enable-sign-ext",
            "--enable-mutable-globals",
            "--enable-reference-types",
            "--enable-multivalue",
        ];
        if self.relaxed {
            features.push("--enable-relaxed-simd");
        }
        if self.threads {
            features.push("--enable-threads");
        }
        features
    }
}

/// What every module is compiled with, as `.cargo/config.toml` says, and atomics for those with `threads`.
fn common_flags(threads: bool) -> Vec<String> {
    let atomics: &[&str] = if threads { &["atomics"] } else { &[] };
    let features: Vec<String> = BASE.iter().chain(atomics).map(|feature| format!("+{feature}")).collect();
    vec![format!("-Ctarget-feature={}", features.join(",")), "--cfg=getrandom_backend=\"wasm_js\"".to_owned()]
}

/// What the linker has to make of a module whose memory is shared.
fn threads_flags() -> Vec<String> {
    let exports =
        ["__wasm_init_tls", "__tls_size", "__tls_align", "__tls_base"].map(|name| format!("--export={name}"));
    let link = [
        "--shared-memory".to_owned(),
        "--import-memory".to_owned(),
        format!("--max-memory={MAX_MEMORY_BYTES}"),
    ];
    link.into_iter().chain(exports).map(|argument| format!("-Clink-arg={argument}")).collect()
}

/// What users get says nothing of the machine that built it, and names the place of a panic by file and line.
fn dist_flags() -> Result<Vec<String>> {
    let sysroot = shell::capture(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(vec![
        format!("--remap-path-prefix={}=", cargo_home().join("registry/src").display()),
        format!("--remap-path-prefix={}/lib/rustlib/src/rust=rust", sysroot.trim()),
        "-Zlocation-detail=file,line".to_owned(),
    ])
}

/// Where cargo keeps the sources of dependencies.
pub fn cargo_home() -> PathBuf {
    let default = || std::env::home_dir().unwrap_or_default().join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(default, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flags of the two kinds of module are written in two places.
    #[test]
    fn both_kinds_have_the_same_features() {
        let config = std::fs::read_to_string(shell::root().join(".cargo/config.toml")).unwrap();
        let features: Vec<String> = BASE.iter().map(|feature| format!("+{feature}")).collect();
        assert!(config.contains(&format!("-Ctarget-feature={}\"", features.join(","))), "{config}");
    }

    #[test]
    fn variants_are_named() {
        assert_eq!(parse("simd,relaxed-threads").unwrap(), [ALL[0], ALL[3]]);
        assert!(parse("simd,fast").unwrap_err().to_string().contains("relaxed-threads"));
    }
}
