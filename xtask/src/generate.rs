//! `cargo xtask generate`: text from a model, through the built package in a real browser.

use anyhow::{Result, bail};

use crate::args::Args;
use crate::build::{self, Profile};
use crate::{setup, shell};

/// Options whose values the script only passes on; the package checks them.
const PASSED_ON: &[&str] = &["--max-tokens", "--backend", "--threads", "--temperature", "--seed"];

pub fn command(mut args: Args) -> Result<()> {
    let model = args.required("--model", "the path of a GGUF file")?;
    let prompt = args.required("--prompt", "the text to go on from, or the message with --chat")?;
    let mut options = Vec::new();
    for name in PASSED_ON {
        if let Some(value) = args.value(name)? {
            // One word: a value may start with a minus sign.
            options.push(format!("{name}={value}"));
        }
    }
    for name in ["--chat", "--json"] {
        if args.flag(name) {
            options.push(name.to_owned());
        }
    }
    args.finish()?;
    let model = std::path::absolute(model)?;
    if !model.is_file() {
        bail!("--model {}: there is no such file", model.display());
    }
    setup::chromium()?;
    build::build(Profile::Release)?;
    let mut tool = shell::tool("generate.mjs");
    tool.arg("--model").arg(model).arg(format!("--prompt={prompt}")).args(options);
    shell::run_tool(&mut tool)
}
