//! What the npm package consists of, as CycloneDX.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::dependencies::Dependency;

/// The bill of materials of the package that `manifest`, its package.json, describes.
pub fn document(manifest: &Value, dependencies: &[Dependency]) -> Result<Value> {
    if manifest.get("dependencies").is_some() {
        bail!("pkg/package.json has dependencies, of which the bill of materials would not know");
    }
    let own = format!("pkg:npm/tabmind@{}", manifest["version"].as_str().unwrap_or_default());
    let components = dependencies.iter().map(|dependency| {
        json!({
            "type": "library",
            "bom-ref": dependency.purl(),
            "name": dependency.name,
            "version": dependency.version,
            "purl": dependency.purl(),
            "licenses": [{ "expression": dependency.license }],
        })
    });
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": own,
                "name": "tabmind",
                "version": manifest["version"],
                "purl": own,
                "licenses": [{ "expression": manifest["license"] }],
            },
        },
        "components": components.collect::<Vec<_>>(),
        "dependencies": [{ "ref": own, "dependsOn": dependencies.iter().map(Dependency::purl).collect::<Vec<_>>() }],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npm_dependencies_are_noticed() {
        let manifest = json!({ "version": "1.0.0", "dependencies": { "left-pad": "1.0.0" } });
        assert!(document(&manifest, &[]).is_err());
    }
}
