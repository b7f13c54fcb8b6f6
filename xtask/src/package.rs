//! `cargo xtask package`: what is published, under `dist/`: the npm tarball, the site, the extension, and what says where
//! all that comes from.

mod dependencies;
mod notices;
mod sbom;
mod sums;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::args::Args;
use crate::build::{self, Profile};
use crate::shell::{self, progress};
use crate::sizes;
use crate::variant;
use crate::zip::Zip;

/// What only serves the people who work on the page.
const NOT_FOR_THE_SITE: &[&str] = &[".d.ts", "tsconfig.json", ".map", "test"];
/// What a module may weigh on the wire.
const MAX_MODULE_BYTES: usize = 1_800_000;

pub fn command(args: Args) -> Result<()> {
    args.finish()?;
    build::build(Profile::Dist)?;
    let dist = shell::root().join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist).with_context(|| format!("cannot empty {}", dist.display()))?;
    }
    fs::create_dir_all(&dist)?;
    provenance(&dist)?;
    progress("API reference");
    shell::run(shell::npm().args(["run", "--silent", "reference", "--workspace", "tools"]))?;
    let made = [
        tarball(&dist)?,
        site(&dist)?,
        extension(&dist, "chrome", "extension")?,
        extension(&dist, "firefox", "extension-firefox")?,
    ];
    let sums = sums::text(&dist)?;
    fs::write(dist.join("SHA256SUMS"), sums)?;
    made.iter().for_each(|line| println!("{line}"));
    check_paths()?;
    check_sizes()
}

/// Refuses modules that tell where they were built.
fn check_paths() -> Result<()> {
    for entry in fs::read_dir(build::dist_dir())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let module = fs::read(&path)?;
        for place in [variant::cargo_home(), shell::root()] {
            let text = place.to_string_lossy();
            if module.windows(text.len()).any(|window| window == text.as_bytes()) {
                bail!("{} names {}, a place of this machine", shell::relative(&path), place.display());
            }
        }
    }
    Ok(())
}

/// Refuses modules that take too long to arrive.
fn check_sizes() -> Result<()> {
    let sizes = sizes::measure(&build::dist_dir())?;
    print!("{}", sizes::table(&sizes));
    let heavy = sizes.iter().find(|size| size.name.ends_with(".wasm") && size.gzip > MAX_MODULE_BYTES);
    match heavy {
        Some(size) => {
            bail!("{} has {} bytes compressed, and {MAX_MODULE_BYTES} are the limit", size.name, size.gzip)
        }
        None => Ok(()),
    }
}

/// Licences of what is in the modules, among the package's files and so in everything made of them; a bill of materials.
fn provenance(dist: &Path) -> Result<()> {
    progress("licences");
    let linked = dependencies::linked()?;
    fs::write(build::dist_dir().join("THIRD-PARTY-LICENSES.txt"), notices::text(&linked)?)?;
    let manifest = fs::read_to_string(shell::root().join("pkg/package.json")).context("pkg/package.json")?;
    let document = sbom::document(&serde_json::from_str(&manifest)?, &linked)?;
    fs::write(dist.join("tabmind.cdx.json"), serde_json::to_string_pretty(&document)?)?;
    Ok(())
}

fn tarball(dist: &Path) -> Result<String> {
    progress("npm pack");
    let mut npm = shell::npm();
    npm.args(["pack", "--silent", "--workspace", "pkg", "--pack-destination"]).arg(dist);
    // npm may warn before it names the file.
    let output = shell::capture(&mut npm)?;
    let name = output.lines().last().unwrap_or_default();
    let file = dist.join(name);
    let size = fs::metadata(&file).with_context(|| format!("npm pack made no {}", file.display()))?.len();
    Ok(format!("dist/{name}: {size} bytes"))
}

/// The demo page with the package and the committed models beside it, for any static host and below any path.
fn site(dist: &Path) -> Result<String> {
    progress("site");
    let root = shell::root();
    let site = dist.join("site");
    copy(&root.join("www"), &site)?;
    copy(&build::dist_dir(), &site.join("pkg"))?;
    let list = shell::capture(shell::tool("models.mjs").arg(root.join("models")).arg(&site))?;
    fs::write(site.join("models.json"), list)?;
    if !site.join("index.html").is_file() {
        bail!("the site has no index.html: is www/ complete?");
    }
    Ok(format!("dist/site: {} bytes", size_of(&site)?))
}

/// For each browser a folder, to be loaded unpacked, and the zip that its store takes.
fn extension(dist: &Path, browser: &str, name: &str) -> Result<String> {
    progress(name);
    let folder = dist.join(name);
    shell::capture(shell::tool("extension.mjs").arg(&folder).args(["--browser", browser]))?;
    let mut zip = Zip::default();
    zip.add_folder(&folder)?;
    let bytes = zip.finish();
    fs::write(dist.join(format!("{name}.zip")), &bytes)?;
    Ok(format!("dist/{name}.zip: {} bytes", bytes.len()))
}

/// Copies a folder, less the files and folders that [`NOT_FOR_THE_SITE`] names.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let source = entry?.path();
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = to.join(&name);
        if NOT_FOR_THE_SITE.iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target).with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}

fn size_of(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        total += if entry.path().is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(total)
}
