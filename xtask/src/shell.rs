//! Running other programs: where they run, how their output is shown and kept, what a failure says.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, Result, bail};

/// The repository's root: two programs may share a target folder, so it is asked at run time, not at build time.
pub fn root() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(manifest).parent().map_or_else(|| ".".into(), Path::to_path_buf)
}

/// A path as a reader in the repository's root would write it.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Cargo's target folder.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A program that runs in the repository's root.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// One of our own scripts under `tools/`.
pub fn tool(script: &str) -> Command {
    let mut command = program("node");
    command.arg(root().join("tools").join(script));
    command
}

/// npm is a batch file on Windows, and `Command` does not guess the ending.
pub fn npm() -> Command {
    program(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// One line of progress.
pub fn progress(text: impl fmt::Display) {
    eprintln!("· {text}");
}

/// A program failed after it had said why; there is nothing to add but the exit code.
#[derive(Debug)]
pub struct AlreadyReported;

impl fmt::Display for AlreadyReported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("see above")
    }
}

impl std::error::Error for AlreadyReported {}

/// Runs a program whose output is progress: all of it goes to standard error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.stdout(io::stderr()).status().with_context(|| could_not_start(command))?;
    check(command, status)
}

/// Runs one of our own tools, whose standard output is the result and whose errors are written for the reader.
pub fn run_tool(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| could_not_start(command))?;
    if status.success() { Ok(()) } else { Err(AlreadyReported.into()) }
}

/// Runs a program and returns what it wrote on standard output.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| could_not_start(command))?;
    if !output.status.success() {
        io::stderr().write_all(&output.stderr)?;
    }
    check(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program, shows its output line by line, keeps it in `log` and returns it without colours.
pub fn tee(command: &mut Command, log: &Path) -> Result<(bool, String)> {
    let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let (reader, writer) = io::pipe()?;
    let spawned = command.stdout(writer.try_clone()?).stderr(writer).spawn();
    // Our own ends of the pipe must close, or the reader would never see its end.
    command.stdout(io::stderr()).stderr(io::stderr());
    let mut child = spawned.with_context(|| could_not_start(command))?;
    let mut text = String::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        eprintln!("  {line}");
        let plain = without_colours(&line);
        writeln!(file, "{plain}")?;
        text.push_str(&plain);
        text.push('\n');
    }
    Ok((child.wait()?.success(), text))
}

/// Whether a program answers to `--version`.
pub fn exists(name: &str) -> bool {
    let mut command = program(name);
    command.arg("--version").output().is_ok_and(|output| output.status.success())
}

fn could_not_start(command: &Command) -> String {
    format!("cannot start `{}`: is it installed and on the PATH?", command.get_program().to_string_lossy())
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let line: Vec<_> = words.map(OsStr::to_string_lossy).collect();
        bail!("`{}` failed ({status})", line.join(" "));
    }
    Ok(())
}

/// Terminal colours are escape sequences that end in a letter.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(without_colours("\u{1b}[34mℹ pass 3\u{1b}[39m"), "ℹ pass 3");
        assert_eq!(without_colours("plain [1] text"), "plain [1] text");
    }

    #[test]
    fn a_failure_names_the_program() {
        let error = run(&mut program("no-such-program-anywhere")).unwrap_err();
        assert!(format!("{error:#}").contains("no-such-program-anywhere"));
    }
}
