//! From Rust to the npm package: cargo → wasm-bindgen → wasm-opt → tsc, each only when its inputs changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::args::Args;
use crate::setup::{self, WASM_TARGET};
use crate::shell::{self, progress};
use crate::sizes;
use crate::stamp::Stamp;
use crate::variant::{self, Variant};

/// How much the tools may do to the module.
#[derive(Clone, Copy, PartialEq)]
pub enum Profile {
    /// For tests and development: quick to build.
    Release,
    /// What users get: link-time optimisation and all of wasm-opt.
    Dist,
}

impl Profile {
    /// What `--profile` says.
    pub fn from_args(args: &mut Args) -> Result<Option<Self>> {
        match args.value("--profile")?.as_deref() {
            None => Ok(None),
            Some("release") => Ok(Some(Self::Release)),
            Some("dist") => Ok(Some(Self::Dist)),
            Some(other) => bail!("--profile {other}: known are release and dist"),
        }
    }

    /// As cargo calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dist => "dist",
        }
    }

    fn wasm_opt_level(self) -> &'static str {
        match self {
            // A quarter of the time of -O3 for the same size on the wire: LLVM has already optimised.
            Self::Release => "-O1",
            Self::Dist => "-O3",
        }
    }
}

pub fn command(mut args: Args) -> Result<()> {
    let variants =
        args.value("--only")?.map_or_else(|| Ok(variant::ALL.to_vec()), |names| variant::parse(&names))?;
    if args.flag("--kernel-tests") {
        args.finish()?;
        return build_kernel_tests(&variants);
    }
    let profile = Profile::from_args(&mut args)?.unwrap_or(Profile::Release);
    args.finish()?;
    build_only(profile, &variants)?;
    print!("{}", sizes::table(&sizes::measure(&dist_dir())?));
    Ok(())
}

/// Where the built package is.
pub fn dist_dir() -> PathBuf {
    shell::root().join("pkg/dist")
}

/// Brings `pkg/dist` up to date, once in the life of this process: what several steps need is not compiled for each.
///
/// cargo would: it keeps one module of a name, and compiles our crate anew whenever the variant before was another one.
pub fn build(profile: Profile) -> Result<()> {
    static BUILT: Mutex<Option<Profile>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if *built != Some(profile) {
        build_only(profile, variant::ALL)?;
        *built = Some(profile);
    }
    Ok(())
}

/// Brings `pkg/dist` up to date as far as `variants` go; the other modules in it are left as they are.
pub fn build_only(profile: Profile, variants: &[Variant]) -> Result<()> {
    setup::rust()?;
    setup::node()?;
    let out = shell::root().join("pkg/wasm");
    for &variant in variants {
        let module = compile(profile, variant, &[])?;
        bind(&module, &out, variant, Some(profile))?;
    }
    package(variants.len() < variant::ALL.len())
}

fn stamp(name: &str) -> Result<Stamp> {
    // Below the checkout even where cargo's target folder is elsewhere: what is stamped lies here too.
    Stamp::new(&shell::root().join("target/xtask"), name)
}

/// Modules with the kernels' cases, for the browser tests: below `target`, for no page fetches them.
pub fn build_kernel_tests(variants: &[Variant]) -> Result<()> {
    setup::rust()?;
    setup::node()?;
    let out = shell::root().join("target/kernel-tests");
    for &variant in variants {
        let module = compile(Profile::Release, variant, &["kernel-tests"])?;
        bind(&module, &out, variant, None)?;
    }
    Ok(())
}

fn compile(profile: Profile, variant: Variant, features: &[&str]) -> Result<PathBuf> {
    progress(format_args!("cargo build for {WASM_TARGET} ({}, {})", variant.name, profile.name()));
    shell::run(&mut variant.cargo(profile, features)?)?;
    // The variants' modules have one name in cargo's folder, each replacing the last.
    let module = variant.target_dir().join(WASM_TARGET).join(profile.name()).join("tabmind.wasm");
    if !module.is_file() {
        bail!("cargo built no {}: does the crate still have the type cdylib?", module.display());
    }
    Ok(module)
}

/// JavaScript around a module, which is `optimised` for users or developers, or not at all.
fn bind(module: &Path, out: &Path, variant: Variant, optimised: Option<Profile>) -> Result<()> {
    let name = format!("tabmind-{}", variant.name);
    let wasm = out.join(format!("{name}_bg.wasm"));
    let folder = out.file_name().unwrap_or_default().to_string_lossy();
    let stamp = stamp(&format!("bind-{folder}-{}", variant.name))?
        .text(optimised.map_or("", Profile::name))
        .path(module)?;
    if stamp.is_current(&[&wasm]) {
        return Ok(());
    }
    progress("wasm-bindgen");
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name(&name).typescript(true).remove_producers_section(true);
    // The package says where the module is; a second default path would make bundlers ship it twice.
    bindgen.web(true)?.omit_default_module_path(true);
    bindgen.generate(out).context("wasm-bindgen")?;
    if let Some(profile) = optimised {
        optimise(&wasm, profile, variant)?;
    }
    stamp.finish()
}

fn optimise(wasm: &Path, profile: Profile, variant: Variant) -> Result<()> {
    progress(format_args!("wasm-opt {}", profile.wasm_opt_level()));
    let tool = shell::root().join("node_modules/binaryen/bin/wasm-opt");
    if !tool.is_file() {
        bail!("{} is missing: is `binaryen` still in tools/package.json?", tool.display());
    }
    let optimised = wasm.with_extension("opt.wasm");
    let mut node = shell::program("node");
    node.arg(&tool).arg(wasm).arg("-o").arg(&optimised).arg(profile.wasm_opt_level());
    // Names of functions are what a profile and a trace are read by; users need not fetch them.
    node.args(if profile == Profile::Dist { &["--strip-debug"] } else { &["--debuginfo"] });
    node.arg("--strip-producers").args(variant.wasm_opt_features());
    shell::run(&mut node)?;
    fs::rename(&optimised, wasm).with_context(|| format!("cannot replace {}", wasm.display()))
}

/// TypeScript and modules into `pkg/dist`; `partial` if modules may be missing.
fn package(partial: bool) -> Result<()> {
    let pkg = shell::root().join("pkg");
    let mut stamp = stamp("package")?
        .text(if partial { "partial" } else { "whole" })
        .path(&shell::root().join("package-lock.json"))?
        .path(&shell::root().join("models/desk/desk.gguf"))?;
    let entries = fs::read_dir(&pkg).context("cannot list pkg")?;
    let mut inputs = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    inputs.sort();
    for path in inputs {
        if !path.ends_with("dist") && !path.ends_with("node_modules") {
            stamp = stamp.path(&path)?;
        }
    }
    if stamp.is_current(&[&entry(&pkg)?]) {
        return Ok(());
    }
    progress("TypeScript");
    let mut npm = shell::npm();
    npm.args(["run", "--silent", "build", "--workspace", "pkg"]);
    if partial {
        npm.args(["--", "--partial"]);
    }
    shell::run(&mut npm)?;
    if !entry(&pkg)?.is_file() {
        bail!("the package's build script ended well but wrote no {}", entry(&pkg)?.display());
    }
    stamp.finish()
}

/// The file that `import "tabmind"` loads, which must exist after a build.
fn entry(pkg: &Path) -> Result<PathBuf> {
    let manifest = fs::read_to_string(pkg.join("package.json")).context("pkg/package.json")?;
    let json: serde_json::Value = serde_json::from_str(&manifest).context("pkg/package.json")?;
    let main = json["exports"]["."].as_str().or_else(|| json["exports"]["."]["default"].as_str());
    let main = main.ok_or_else(|| anyhow!("pkg/package.json has no exports[\".\"].default"))?;
    Ok(pkg.join(main.trim_start_matches("./")))
}
