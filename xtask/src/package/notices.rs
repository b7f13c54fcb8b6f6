//! The licences of what is linked into the module, each text once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::dependencies::Dependency;
use crate::shell;

/// Beginnings of the names of files that must be passed on.
const FILES: &[&str] = &["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];

const HEAD: &str = "\
The WebAssembly modules of tabmind contain the works below, each under the licences that its line names. Their texts
follow, each once, headed by the works that come with it.
";

/// The text of `THIRD-PARTY-LICENSES.txt`.
pub fn text(dependencies: &[Dependency]) -> Result<String> {
    let mut works = String::new();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |name: String, license: &str, files: Vec<String>| {
        let _ = writeln!(works, "- {name}: {license}");
        for file in files {
            texts.entry(file).or_default().push(name.clone());
        }
    };
    // Its sources come with the toolchain, without these files; our Apache-2.0 is the same text.
    add("The Rust Standard Library".to_owned(), "MIT OR Apache-2.0", vec![apache()?]);
    for dependency in dependencies {
        let name = format!("{} {}", dependency.name, dependency.version);
        add(name, &dependency.license, texts_of(dependency)?);
    }
    let mut out = format!("{HEAD}\n{works}");
    for (text, names) in texts {
        let _ = write!(out, "\n{}\n{}\n\n{text}\n", "-".repeat(80), names.join(", "));
    }
    Ok(out)
}

/// The text of Apache-2.0, which names nobody.
fn apache() -> Result<String> {
    Ok(fs::read_to_string(shell::root().join("LICENSE-APACHE"))?.trim().to_owned())
}

/// The licence texts that come with a crate. One without, under Apache-2.0 alone or by choice, gets ours.
fn texts_of(dependency: &Dependency) -> Result<Vec<String>> {
    let Dependency { name, license, folder, .. } = dependency;
    let texts = files(folder)?;
    if !texts.is_empty() {
        return Ok(texts);
    }
    if !license.split(" OR ").any(|choice| choice == "Apache-2.0") {
        bail!("{name} comes without a licence text");
    }
    Ok(vec![apache()?])
}

/// The licence texts in a crate's folder.
fn files(folder: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file() && FILES.iter().any(|start| name.starts_with(start)) {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path| Ok(fs::read_to_string(path)?.replace("\r\n", "\n").trim().to_owned());
    paths.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_stands_once() {
        let folder = shell::root();
        let dependency = |name: &str| Dependency {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: "MIT".to_owned(),
            folder: folder.clone(),
        };
        let text = text(&[dependency("one"), dependency("two")]).unwrap();
        assert!(text.contains("- one 1.0.0: MIT\n- two 1.0.0: MIT\n"));
        assert_eq!(text.matches("Permission is hereby granted").count(), 1);
        assert!(text.contains("\nThe Rust Standard Library, one 1.0.0, two 1.0.0\n"));
    }

    #[test]
    fn a_crate_without_a_text_gets_that_of_apache_or_is_noticed() {
        let texts = |license: &str| {
            texts_of(&Dependency {
                name: "one".to_owned(),
                version: "1.0.0".to_owned(),
                license: license.to_owned(),
                folder: shell::root().join("xtask/src"),
            })
        };
        assert_eq!(texts("MIT OR Apache-2.0").unwrap(), [apache().unwrap()]);
        for license in ["MIT", "MIT AND Apache-2.0"] {
            assert!(texts(license).unwrap_err().to_string().contains("without a licence"));
        }
    }

    #[test]
    fn every_linked_crate_has_a_text() {
        assert!(text(&super::super::dependencies::linked().unwrap()).unwrap().contains("wgpu"));
    }
}
