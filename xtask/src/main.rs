//! `cargo xtask`: everything a developer does with this repository.
//!
//! Progress goes to standard error and results to standard output, so that `--json` can be piped.

mod args;
mod bench;
mod build;
mod demo;
mod desk;
mod generate;
mod gguf_writer;
mod make_model;
mod package;
mod setup;
mod shell;
mod sizes;
mod stamp;
mod test;
mod variant;
mod zip;

use std::process::ExitCode;

use args::Args;

const HELP: &str = "\
cargo xtask <command> [options]

  demo        build everything and serve the demo page
              [--port N] [--models DIR]
  test        run every kind of test once
              [--soak] [--only NAME]
  build       build the wasm module and the npm package into pkg/dist
              [--profile release|dist] [--only BUILD,…]; or --kernel-tests [--only BUILD,…], for
              tests/browser/kernels.test.mjs
  generate    text from a model, through the package in a headless browser
              --model FILE --prompt TEXT [--chat] [--max-tokens N] [--backend auto|webgpu|cpu]
              [--threads N] [--temperature T] [--seed S] [--json]
  make-model  write a GGUF of a published model's shape with random weights
              --shape NAME --quant TYPE --out FILE [--seed N]
  bench       time the package in a headless browser, side by side with a peer
              [--model FILE | --shape NAME --quant TYPE] [--peer wllama|none] [--backend cpu|webgpu]
              [--threads N] [--build simd|relaxed] [--runs N] [--prompts N,N…] [--tokens N] [--full] [--json]
              [--profile dist|release]
  train       make the embedded model from nothing: target/desk/run/desk.gguf
              desk [--stable-steps N] [--decay-steps N]
  eval        how good it is, through the package in a headless browser
              desk [--model FILE] [--limit N] [--mistakes] [--json]
  package     the npm tarball, the static site and the extension under dist/

Each command installs what it needs first: toolchain pieces, npm packages, a browser where the system allows it.
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_else(|| "help".into());
    let args = Args::new(words);
    let outcome = match command.as_str() {
        "bench" => bench::command(args),
        "build" => build::command(args),
        "demo" => demo::command(args),
        "eval" => desk::eval(args),
        "generate" => generate::command(args),
        "make-model" => make_model::command(args),
        "package" => package::command(args),
        "test" => test::command(args),
        "train" => desk::train(args),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(anyhow::anyhow!("no command `{other}`; `cargo xtask help` lists them")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A tool that already explained itself (see `shell::Failed`) is not explained twice.
            if !error.is::<shell::AlreadyReported>() {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
