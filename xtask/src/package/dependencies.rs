//! The crates that end up in the wasm module, as cargo resolves them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;

use crate::setup::WASM_TARGET;
use crate::shell;

/// A crate, and where its sources are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    pub name: String,
    pub version: String,
    /// An SPDX expression.
    pub license: String,
    pub folder: PathBuf,
}

impl Dependency {
    /// The crate's package URL.
    pub fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }
}

/// Every crate that is linked into the module, ourselves left out: neither build scripts nor macros are.
pub fn linked() -> Result<Vec<Dependency>> {
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", WASM_TARGET];
    let metadata: Value = serde_json::from_str(&shell::capture(shell::cargo().args(arguments))?)?;
    let own = list(&metadata["packages"])
        .find(|package| package["name"] == "tabmind")
        .ok_or_else(|| anyhow!("cargo metadata knows no crate `tabmind`"))?;
    let mut found = BTreeSet::new();
    let mut waiting = vec![own];
    let mut seen = BTreeSet::new();
    while let Some(package) = waiting.pop() {
        if !seen.insert(text(package, "id")?) {
            continue;
        }
        if package["id"] != own["id"] {
            found.insert(read(package)?);
        }
        let node = by_id(&metadata["resolve"]["nodes"], &package["id"])?;
        for edge in list(&node["deps"]).filter(|edge| is_normal(edge)) {
            let next = by_id(&metadata["packages"], &edge["pkg"])?;
            if !is_macro(next) {
                waiting.push(next);
            }
        }
    }
    Ok(found.into_iter().collect())
}

fn read(package: &Value) -> Result<Dependency> {
    let manifest = Path::new(text(package, "manifest_path")?);
    Ok(Dependency {
        name: text(package, "name")?.to_owned(),
        version: text(package, "version")?.to_owned(),
        // Old manifests write a slash for OR.
        license: text(package, "license")?.replace('/', " OR "),
        folder: manifest.parent().unwrap_or(manifest).to_path_buf(),
    })
}

/// Not only needed by tests or a build script.
fn is_normal(edge: &Value) -> bool {
    list(&edge["dep_kinds"]).any(|kind| kind["kind"].is_null())
}

fn is_macro(package: &Value) -> bool {
    list(&package["targets"]).any(|target| list(&target["kind"]).any(|kind| kind == "proc-macro"))
}

fn by_id<'a>(all: &'a Value, id: &Value) -> Result<&'a Value> {
    list(all).find(|one| one["id"] == *id).ok_or_else(|| anyhow!("cargo metadata does not describe {id}"))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text<'a>(package: &'a Value, field: &str) -> Result<&'a str> {
    package[field].as_str().with_context(|| format!("{} has no {field}", package["name"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_and_nothing_else() {
        let all = linked().unwrap();
        let has = |name| all.iter().any(|dependency| dependency.name == name);
        assert!(has("minijinja") && has("wasm-bindgen"), "direct dependencies and theirs: {all:?}");
        assert!(!has("tabmind") && !has("xtask"), "ourselves");
        assert!(!has("wasm-bindgen-macro") && !has("flate2"), "what only builds");
    }
}
