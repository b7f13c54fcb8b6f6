//! `cargo xtask bench`: the built package beside a peer, in turns, in a real browser.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::args::Args;
use crate::build::{self, Profile};
use crate::make_model;
use crate::{setup, shell};

/// Options whose values the script only passes on or checks itself.
const PASSED_ON: &[&str] =
    &["--peer", "--backend", "--threads", "--build", "--runs", "--prompts", "--tokens"];

pub fn command(mut args: Args) -> Result<()> {
    let model = args.value("--model")?;
    let shape = args.value("--shape")?;
    let quant = args.value("--quant")?;
    // What users get is what is measured.
    let profile = Profile::from_args(&mut args)?.unwrap_or(Profile::Dist);
    let mut options = Vec::new();
    for name in PASSED_ON {
        if let Some(value) = args.value(name)? {
            options.push(format!("{name}={value}"));
        }
    }
    for name in ["--full", "--json"] {
        if args.flag(name) {
            options.push(name.to_owned());
        }
    }
    args.finish()?;
    let model = match (model, shape) {
        (Some(_), Some(_)) => bail!("--model and --shape exclude each other"),
        (Some(model), None) => std::path::absolute(model)?,
        (None, shape) => {
            made_model(shape.as_deref().unwrap_or("smollm2-135m"), quant.as_deref().unwrap_or("q4_0"))?
        }
    };
    if !model.is_file() {
        bail!("--model {}: there is no such file", model.display());
    }
    setup::chromium()?;
    build::build(profile)?;
    let mut tool = shell::tool("bench.mjs");
    tool.arg("--model").arg(model).args(options);
    shell::run_tool(&mut tool)
}

/// A model of this shape, written at its first use.
fn made_model(shape: &str, quant: &str) -> Result<PathBuf> {
    let folder = shell::root().join("target/xtask/models");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{shape}-{quant}.gguf"));
    if !file.is_file() {
        make_model::make_named(shape, quant, &file)?;
    }
    Ok(file)
}
