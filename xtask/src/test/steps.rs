//! The steps of `cargo xtask test`, from the quickest answer to the slowest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::count::{self, Count};
use crate::build::{self, Profile};
use crate::{setup, shell, variant};

/// One kind of test; `run` takes whether this is a soak run.
pub struct Step {
    pub name: &'static str,
    pub run: fn(soak: bool) -> Result<Count>,
}

pub fn all() -> Vec<Step> {
    let step = |name, run| Step { name, run };
    vec![
        step("format", format),
        step("clippy native", clippy_native),
        step("clippy wasm", clippy_wasm),
        step("native tests", native_tests),
        step("doc tests", doc_tests),
        step("docs", docs),
        step("build", build_package),
        step("TypeScript check", typescript_check),
        step("API reference", api_reference),
        step("tools tests", tools_tests),
        step("browser tests", browser_tests),
        step("packaging tests", packaging_tests),
    ]
}

pub fn log_dir() -> PathBuf {
    shell::root().join("target/xtask/logs")
}

/// Runs a command with its output shown and logged, and reads its counts.
fn counted(name: &str, soak: bool, command: &mut Command, count: fn(&str) -> Count) -> Result<Count> {
    if soak {
        command.env("TABMIND_SOAK", "1");
    }
    // Test data lie beside the checkout, where the tests look by themselves, or in it.
    let assets = shell::root().join("shared/assets");
    if std::env::var_os("TABMIND_ASSETS").is_none() && assets.is_dir() {
        command.env("TABMIND_ASSETS", assets);
    }
    let (success, text) = shell::tee(command, &log_dir().join(format!("{name}.log")))?;
    Ok(count(&text).with_exit(success))
}

/// Runs a command that is one check.
fn check(name: &str, command: &mut Command) -> Result<Count> {
    let (success, _) = shell::tee(command, &log_dir().join(format!("{name}.log")))?;
    Ok(if success { Count::PASSED } else { Count::FAILED })
}

fn format(_: bool) -> Result<Count> {
    setup::rust()?;
    check("format", shell::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy_native(_: bool) -> Result<Count> {
    setup::rust()?;
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    check("clippy-native", shell::cargo().args(arguments))
}

fn clippy_wasm(_: bool) -> Result<Count> {
    setup::rust()?;
    let clippy = |features: &[&str]| {
        let mut cargo = shell::cargo();
        cargo.args(["clippy", "--package", "tabmind", "--lib", "--target", setup::WASM_TARGET]);
        cargo.args(features).args(["--", "-D", "warnings"]);
        cargo
    };
    let page = check("clippy-wasm", &mut clippy(&[]))?;
    Ok(page.plus(check("clippy-kernel-tests", &mut clippy(&["--features", "kernel-tests"]))?))
}

fn native_tests(soak: bool) -> Result<Count> {
    setup::vulkan();
    let mut cargo = shell::cargo();
    if shell::exists("cargo-nextest") {
        // The output of passing tests is where a skipped test says so.
        cargo.args(["nextest", "run", "--workspace", "--no-fail-fast", "--success-output", "immediate"]);
        cargo.args(["--no-tests", "pass", "--status-level", "pass", "--cargo-quiet"]);
        counted("native", soak, &mut cargo, count::nextest)
    } else {
        cargo.args([
            "test",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--no-fail-fast",
            "--",
            "--show-output",
        ]);
        counted("native", soak, &mut cargo, count::cargo_test)
    }
}

fn doc_tests(soak: bool) -> Result<Count> {
    let arguments = ["test", "--quiet", "--workspace", "--doc", "--no-fail-fast"];
    counted("doc-tests", soak, shell::cargo().args(arguments), count::cargo_test)
}

fn docs(_: bool) -> Result<Count> {
    let mut cargo = shell::cargo();
    // The readers are those who work on the crate: private items are documented, and links to them hold.
    cargo.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links").args([
        "doc",
        "--quiet",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    check("docs", &mut cargo)
}

fn build_package(_: bool) -> Result<Count> {
    build::build(Profile::Release)?;
    print!("{}", crate::sizes::table(&crate::sizes::measure(&build::dist_dir())?));
    Ok(Count::PASSED)
}

fn typescript_check(_: bool) -> Result<Count> {
    setup::node()?;
    build::build(Profile::Release)?; // the types of the wasm module are an input
    check("typescript", shell::npm().args(["run", "--silent", "check"]))
}

/// Undocumented exports and dead links are errors.
fn api_reference(_: bool) -> Result<Count> {
    setup::node()?;
    let arguments =
        ["run", "--silent", "reference", "--workspace", "tools", "--", "--out", "../target/reference"];
    check("reference", shell::npm().args(arguments))
}

fn tools_tests(soak: bool) -> Result<Count> {
    setup::node()?;
    node_tests("tools", &["tools", "www", "extension"], soak)
}

fn browser_tests(soak: bool) -> Result<Count> {
    setup::chromium()?;
    build::build(Profile::Release)?;
    build::build_kernel_tests(variant::ALL)?;
    node_tests("browser", &["tests/browser"], soak)
}

fn packaging_tests(soak: bool) -> Result<Count> {
    setup::chromium()?;
    build::build(Profile::Release)?;
    node_tests("packaging", &["tests/packaging"], soak)
}

/// Runs every `*.test.mjs` below the folders.
fn node_tests(name: &str, folders: &[&str], soak: bool) -> Result<Count> {
    let mut files = Vec::new();
    for folder in folders {
        let before = files.len();
        find_tests(&shell::root().join(folder), &mut files)?;
        if files.len() == before {
            bail!("there is no *.test.mjs in {folder}");
        }
    }
    files.sort();
    let mut node = shell::program("node");
    node.args(["--test", "--test-reporter=spec"]);
    if !soak {
        // A browser that hangs must not hold up the run; what soak runs count may take hours.
        node.arg("--test-timeout=1200000");
    }
    counted(name, soak, node.args(&files), count::node)
}

fn find_tests(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "node_modules" {
            find_tests(&path, files)?;
        } else if name.ends_with(".test.mjs") || name.ends_with(".test.js") {
            files.push(path);
        }
    }
    Ok(())
}
