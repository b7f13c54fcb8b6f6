//! `cargo xtask train desk` and `cargo xtask eval desk`: the pipeline of the model that ships with the package.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::args::Args;
use crate::build::{self, Profile};
use crate::{setup, shell};

/// From no data at all to a GGUF file, step by step; a run that was interrupted goes on.
pub fn train(mut args: Args) -> Result<()> {
    only_desk(&mut args)?;
    let mut plan = Vec::new();
    for name in ["--stable-steps", "--decay-steps"] {
        if let Some(steps) = args.parsed::<u32>(name)? {
            plan.push(format!("{name}={steps}"));
        }
    }
    args.finish()?;
    let folder = shell::root().join("target/desk");
    let python = python(&folder.join("venv"))?;
    let run = folder.join("run");
    if !run.join("tokenizer.json").is_file() {
        shell::progress("the vocabulary");
        shell::run(&mut pipeline(&python, "vocabulary", &run))?;
    }
    shell::progress(format_args!(
        "training; {} tells how far it is",
        shell::relative(&run.join("training.jsonl"))
    ));
    shell::run(pipeline(&python, "train", &run).args(plan))?;
    shell::run(&mut pipeline(&python, "export", &run))?;
    // What the generator keeps from training changes with its data, and so do the sets that are made of it.
    shell::run(&mut pipeline(&python, "held-out", &shell::root().join("models/desk/eval")))?;
    println!("{}", shell::relative(&run.join("desk.gguf")));
    Ok(())
}

/// How good a model is, through the built package in a real browser.
pub fn eval(mut args: Args) -> Result<()> {
    only_desk(&mut args)?;
    let mut options = Vec::new();
    if let Some(model) = args.value("--model")? {
        options.push(format!("--model={}", std::path::absolute(model)?.display()));
    }
    if let Some(forms) = args.parsed::<u32>("--limit")? {
        options.push(format!("--limit={forms}"));
    }
    for name in ["--json", "--mistakes"] {
        if args.flag(name) {
            options.push(name.to_owned());
        }
    }
    args.finish()?;
    setup::chromium()?;
    build::build(Profile::Release)?;
    shell::run_tool(shell::tool("eval-desk.mjs").args(options))
}

/// The one model that there is.
fn only_desk(args: &mut Args) -> Result<()> {
    match args.word().as_deref() {
        Some("desk") => Ok(()),
        Some(other) => bail!("no model `{other}`; the one that is made here is `desk`"),
        None => bail!("which model? `desk`"),
    }
}

fn pipeline(python: &Path, step: &str, run: &Path) -> Command {
    let mut command = shell::program(python);
    // The threads of the pipeline are its own; a second layer of them within each product only costs.
    command.env("OMP_NUM_THREADS", "1").current_dir(shell::root().join("models/desk"));
    command.args(["-m", "desk", step, "--folder"]).arg(run);
    command
}

/// The interpreter of a virtual environment with what the pipeline needs.
fn python(environment: &Path) -> Result<PathBuf> {
    let python = environment.join("bin/python");
    let requirements = shell::root().join("models/desk/requirements.txt");
    if !python.is_file() {
        shell::progress(format_args!(
            "Python packages into {} (some gigabytes)",
            shell::relative(environment)
        ));
        shell::run(shell::program("python3").args(["-m", "venv"]).arg(environment))?;
    }
    shell::run(
        shell::program(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(requirements),
    )?;
    Ok(python)
}
