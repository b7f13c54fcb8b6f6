//! A command line of `--name value`, `--name=value` and `--flag`: all these commands need.

use std::str::FromStr;

use anyhow::{Context as _, Result, anyhow, bail};

/// What is left of the command line; each question takes its answer out.
pub struct Args {
    words: Vec<String>,
}

impl Args {
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        // `--name=value` becomes two words, so that the rest knows one form only.
        let split = |word: String| match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => vec![name.to_owned(), value.to_owned()],
            _ => vec![word],
        };
        Self { words: words.into_iter().flat_map(split).collect() }
    }

    /// Whether `--name` was given.
    pub fn flag(&mut self, name: &str) -> bool {
        let found = self.words.iter().position(|word| word == name);
        found.map(|at| self.words.remove(at)).is_some()
    }

    /// The word after `--name`.
    pub fn value(&mut self, name: &str) -> Result<Option<String>> {
        let Some(at) = self.words.iter().position(|word| word == name) else { return Ok(None) };
        self.words.remove(at);
        if at == self.words.len() {
            bail!("{name} needs a value");
        }
        Ok(Some(self.words.remove(at)))
    }

    /// The first word, if it is no option: what the command is about.
    pub fn word(&mut self) -> Option<String> {
        let is_plain = self.words.first().is_some_and(|word| !word.starts_with("--"));
        is_plain.then(|| self.words.remove(0))
    }

    /// The word after `--name`, which must be there; `what` says what it is.
    pub fn required(&mut self, name: &str, what: &str) -> Result<String> {
        self.value(name)?.ok_or_else(|| anyhow!("{name} is missing: {what}"))
    }

    /// The word after `--name` as a number or another parsed value.
    pub fn parsed<T: FromStr>(&mut self, name: &str) -> Result<Option<T>>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let Some(text) = self.value(name)? else { return Ok(None) };
        Ok(Some(text.parse().with_context(|| format!("{name} {text}"))?))
    }

    /// Everything that no question took: an error names it, so that a typing mistake is never ignored.
    pub fn finish(self) -> Result<()> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => bail!("`{word}` is not an option of this command; see `cargo xtask help`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::new(line.split(' ').map(String::from))
    }

    #[test]
    fn both_forms_of_a_value() {
        for line in ["--port 81 --soak", "--soak --port=81"] {
            let mut args = args(line);
            assert_eq!(args.parsed::<u16>("--port").unwrap(), Some(81));
            assert!(args.flag("--soak"));
            assert!(!args.flag("--soak"));
            args.finish().unwrap();
        }
    }

    #[test]
    fn what_a_command_is_about_stands_first() {
        let mut about = args("desk --json");
        assert_eq!(about.word().as_deref(), Some("desk"));
        assert!(about.flag("--json"));
        assert_eq!(about.word(), None);
        assert_eq!(args("--json desk").word(), None);
    }

    #[test]
    fn mistakes_are_named() {
        let message = |outcome: Result<()>| format!("{:#}", outcome.unwrap_err());
        assert!(message(args("--prot 81").finish()).contains("--prot"));
        assert!(message(args("--port").value("--port").map(drop)).contains("needs a value"));
        assert!(message(args("--port x").parsed::<u16>("--port").map(drop)).contains("--port x"));
        assert!(message(args("--out x").required("--model", "a GGUF").map(drop)).contains("a GGUF"));
    }
}
