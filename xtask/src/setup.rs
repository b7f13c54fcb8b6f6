//! What a bare machine lacks, installed by whichever command needs it. Each step is quick when there is nothing to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::shell::{self, progress};

const NODE_MAJOR: u32 = 20;
/// What the package is compiled for.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The wasm target and the components that `test` runs.
pub fn rust() -> Result<()> {
    let sysroot = PathBuf::from(shell::capture(shell::program("rustc").args(["--print", "sysroot"]))?);
    if !sysroot.join("lib/rustlib").join(WASM_TARGET).is_dir() {
        rustup(&["target", "add", WASM_TARGET])?;
    }
    for (component, program) in [("rustfmt", "cargo-fmt"), ("clippy", "cargo-clippy")] {
        let file = format!("bin/{program}{}", std::env::consts::EXE_SUFFIX);
        if !sysroot.join(file).is_file() {
            rustup(&["component", "add", component])?;
        }
    }
    // The threads modules need a standard library of their own.
    if !sysroot.join("lib/rustlib/src/rust/library").is_dir() {
        rustup(&["component", "add", "rust-src"])?;
    }
    Ok(())
}

fn rustup(arguments: &[&str]) -> Result<()> {
    progress(format_args!("rustup {}", arguments.join(" ")));
    shell::run(shell::program("rustup").args(arguments))
        .with_context(|| format!("without rustup, install this by hand: {}", arguments.join(" ")))
}

/// Node itself, and the npm packages of the lock file.
pub fn node() -> Result<()> {
    let version = shell::capture(shell::program("node").arg("--version"))
        .with_context(|| format!("install Node {NODE_MAJOR} or newer from https://nodejs.org"))?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MAJOR) {
        bail!(
            "this needs Node {NODE_MAJOR} or newer, and `node` is {version}: install one from https://nodejs.org"
        );
    }
    let lock = shell::root().join("package-lock.json");
    // npm writes this file at the end of every installation.
    let installed = shell::root().join("node_modules/.package-lock.json");
    let locked_at =
        modified(&lock).ok_or_else(|| anyhow!("{} is missing from the checkout", lock.display()))?;
    if modified(&installed).is_none_or(|installed_at| installed_at < locked_at) {
        progress("npm ci (packages of the lock file)");
        shell::run(shell::npm().args(["ci", "--no-audit", "--no-fund"]))
            .context("could not install the npm packages; is the registry reachable?")?;
    }
    Ok(())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// A Chromium, found or installed; `tools/chromium.mjs` knows where to look.
pub fn chromium() -> Result<()> {
    let found = || shell::capture(shell::tool("chromium.mjs").arg("find")).unwrap_or_default();
    if found().is_empty() && can_apt_install() {
        // On Ubuntu the package only points at a snap, which a container cannot run: look again, do not trust.
        apt_install(&["chromium"])?;
    }
    if found().is_empty() {
        bail!(
            "no Chromium found: install Chromium or Chrome (Debian: `apt-get install chromium`), \
             or set CHROMIUM to the path of its executable"
        );
    }
    Ok(())
}

/// A Vulkan driver for native GPU tests. Without one these tests skip, so a failure is a line and no error.
pub fn vulkan() {
    if !cfg!(target_os = "linux") || has_vulkan_driver() {
        return;
    }
    const PACKAGES: &[&str] = &["libvulkan1", "mesa-vulkan-drivers"];
    let installed = can_apt_install() && apt_install(PACKAGES).is_ok() && has_vulkan_driver();
    if !installed {
        progress(format_args!(
            "no Vulkan driver: native GPU tests need the packages {}",
            PACKAGES.join(" and ")
        ));
    }
}

fn has_vulkan_driver() -> bool {
    ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
        .iter()
        .any(|folder| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()))
}

/// Debian or a relative of it, and the right to install.
fn can_apt_install() -> bool {
    let root = || shell::capture(shell::program("id").arg("-u")).is_ok_and(|user| user == "0");
    cfg!(target_os = "linux") && Path::new("/usr/bin/apt-get").exists() && root()
}

fn apt_install(packages: &[&str]) -> Result<()> {
    progress(format_args!("apt-get install {}", packages.join(" ")));
    let apt = || {
        let mut command = shell::program("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    shell::run(apt().arg("update"))?;
    shell::run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}
