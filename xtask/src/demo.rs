//! `cargo xtask demo`: the demo page, served on this machine.

use anyhow::Result;

use crate::args::Args;
use crate::build::{self, Profile};
use crate::shell;

pub fn command(mut args: Args) -> Result<()> {
    let port = args.parsed::<u16>("--port")?;
    let models = args.value("--models")?;
    args.finish()?;
    build::build(Profile::Release)?;
    let mut server = shell::tool("demo.mjs");
    if let Some(port) = port {
        server.args(["--port", &port.to_string()]);
    }
    if let Some(models) = models {
        server.arg("--models").arg(std::path::absolute(models)?);
    }
    shell::run_tool(&mut server)
}
