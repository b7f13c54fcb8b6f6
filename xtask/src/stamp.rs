//! Doing a step only when something that goes into it has changed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result};

/// A step's inputs by content (a checkout changes times, not bytes), compared with those of its last run.
pub struct Stamp {
    file: PathBuf,
    hasher: DefaultHasher,
}

impl Stamp {
    /// `dir` holds the stamps, `name` is the step's.
    pub fn new(dir: &Path, name: &str) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        // The tool itself is an input: another way to build gives another result.
        hash_file(&env::current_exe().context("where is this program?")?, &mut hasher)?;
        // Two checkouts may share a target folder.
        dir.hash(&mut hasher);
        Ok(Self { file: dir.join(format!("{name}.stamp")), hasher })
    }

    pub fn text(mut self, text: &str) -> Self {
        text.hash(&mut self.hasher);
        self
    }

    /// A file, or all files below a folder; one that does not exist counts as that.
    pub fn path(mut self, path: &Path) -> Result<Self> {
        let mut files = Vec::new();
        list(path, &mut files)?;
        files.sort();
        for file in files {
            file.hash(&mut self.hasher);
            hash_file(&file, &mut self.hasher)?;
        }
        Ok(self)
    }

    fn value(&self) -> String {
        format!("{:016x}", self.hasher.finish())
    }

    /// Whether the last finished run had the same inputs and its `outputs` still exist.
    pub fn is_current(&self, outputs: &[&Path]) -> bool {
        let same = fs::read_to_string(&self.file).is_ok_and(|last| last == self.value());
        same && outputs.iter().all(|path| path.exists())
    }

    /// The step has ended well.
    pub fn finish(self) -> Result<()> {
        if let Some(dir) = self.file.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(&self.file, self.value()).with_context(|| format!("cannot write {}", self.file.display()))
    }
}

fn hash_file(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))?.hash(hasher);
    Ok(())
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_path_buf());
    } else if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
            list(&entry?.path(), files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_current_until_an_input_changes() {
        let dir = env::temp_dir().join(format!("tabmind-stamp-{}", std::process::id()));
        fs::create_dir_all(dir.join("in")).unwrap();
        let stamp = || Stamp::new(&dir, "step").unwrap().path(&dir.join("in")).unwrap();
        fs::write(dir.join("in/a"), "1").unwrap();
        assert!(!stamp().is_current(&[]), "never run");
        stamp().finish().unwrap();
        assert!(stamp().is_current(&[&dir.join("in/a")]));
        assert!(!stamp().is_current(&[&dir.join("out")]), "an output is gone");
        assert!(!stamp().text("other").is_current(&[]));
        fs::write(dir.join("in/a"), "2").unwrap();
        assert!(!stamp().is_current(&[]), "an input has changed");
        fs::remove_dir_all(dir).unwrap();
    }
}
