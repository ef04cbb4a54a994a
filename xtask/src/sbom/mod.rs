//! `cargo xtask sbom`: what each binary is made of, as CycloneDX 1.5 documents. The same lock file gives the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::progress::say;
use crate::{process, release, workspace};

mod facts;
mod linked;

use facts::Facts;
use linked::{Linked, Package};

/// The options of `cargo xtask sbom`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder to write to; `sbom` in cargo's target folder unless given
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Runs `cargo xtask sbom`.
pub fn run(args: &Args) -> Result<ExitCode> {
    let out = match &args.out {
        Some(folder) => folder.clone(),
        None => workspace::target()?.join("sbom"),
    };
    for file in write_all(&out, &release::target())? {
        say(file.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes one document for each released binary, as it is built for a target; says where they are.
pub fn write_all(out: &Path, target: &str) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let facts = facts::read()?;
    let compiler = process::read(workspace::rustc().arg("--version"))?;
    let compiler = compiler.split(' ').nth(1).context("rustc's version")?;
    let written = release::BINARIES.map(|binary| {
        let linked = Linked::of(binary, target)?;
        let document = document(&linked, &facts, target, compiler);
        let file = out.join(format!("{binary}.cdx.json"));
        fs::write(&file, format!("{document:#}\n")).with_context(|| file.display().to_string())?;
        Ok(file)
    });
    written.into_iter().collect()
}

/// A document about one binary. It has neither a date nor a random serial number.
fn document(
    linked: &Linked,
    facts: &BTreeMap<Package, Facts>,
    target: &str,
    compiler: &str,
) -> Value {
    let none = Facts::default();
    let about = |package: &Package| facts.get(package).unwrap_or(&none);
    let url = |package: &Package| purl(package, about(package));
    let libraries = linked
        .uses
        .keys()
        .filter(|package| **package != linked.root);
    let mut components: Vec<Value> = libraries
        .map(|package| component("library", package, about(package)))
        .collect();
    // Rust's standard library comes with the compiler and stands in no lock file.
    let std = format!("pkg:generic/rust-std@{compiler}");
    components.push(json!({
        "bom-ref": std,
        "licenses": [{ "expression": "Apache-2.0 OR MIT" }],
        "name": "rust-std",
        "purl": std,
        "type": "library",
        "version": compiler,
    }));
    let dependencies: Vec<Value> = linked
        .uses
        .iter()
        .map(|(package, uses)| {
            let used = uses.iter().map(&url);
            let std = (*package == linked.root).then(|| std.clone());
            let used: Vec<String> = used.chain(std).collect();
            json!({ "ref": url(package), "dependsOn": used })
        })
        .collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": component("application", &linked.root, about(&linked.root)),
            "properties": [{ "name": "cargo:target", "value": target }],
        },
        "components": components,
        "dependencies": dependencies,
    })
}

fn component(kind: &str, package: &Package, facts: &Facts) -> Value {
    let url = purl(package, facts);
    let mut component = json!({
        "bom-ref": url,
        "name": package.name,
        "purl": url,
        "type": kind,
        "version": package.version,
    });
    if let Some(license) = &facts.license {
        component["licenses"] = json!([{ "expression": license }]);
    }
    if let Some(checksum) = &facts.checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if let Some(repository) = &facts.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

/// A package URL. What is in no registry says where it is from, or scanners would take it for somebody else's crate.
fn purl(package: &Package, facts: &Facts) -> String {
    let Package { name, version } = package;
    let url = format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"));
    match (&facts.checksum, &facts.repository) {
        (None, Some(repository)) => format!("{url}?vcs_url=git%2B{repository}"),
        _ => url,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cyclonedx_bom::models::bom::Bom;
    use cyclonedx_bom::validation::Validate as _;

    use super::*;

    /// The documents of this checkout, by binary.
    fn documents() -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let files = write_all(folder.path(), &release::target()).unwrap();
        let named = files.iter().map(|file| {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(file).unwrap())
        });
        named.collect()
    }

    #[test]
    fn documents_are_valid_and_come_out_the_same_again() {
        let documents = documents();
        assert_eq!(documents, self::documents());
        for (name, text) in &documents {
            let bom = Bom::parse_from_json_v1_5(text.as_bytes()).unwrap();
            let outcome = bom.validate();
            assert!(outcome.passed(), "{name}: {outcome:?}");
        }
    }

    #[test]
    fn documents_list_what_is_linked_with_its_licence_and_checksum_and_nothing_else() {
        for (name, text) in documents() {
            let document: Value = serde_json::from_str(&text).unwrap();
            let components = document["components"].as_array().unwrap();
            let names: BTreeSet<_> = components
                .iter()
                .map(|component| component["name"].as_str().unwrap())
                .collect();
            for linked in ["aws-lc-sys", "mintage-core", "rust-std", "rustls", "tokio"] {
                assert!(names.contains(linked), "{name} lists no {linked}");
            }
            // A dev-dependency, a build script's, a procedural macro and its own, another target's, a banned one.
            for other in [
                "proptest",
                "cc",
                "serde_derive",
                "syn",
                "windows-sys",
                "ring",
            ] {
                assert!(!names.contains(other), "{name} lists {other}");
            }
            for component in components {
                let about = format!("{name}: {component}");
                assert!(
                    component["licenses"][0]["expression"].is_string(),
                    "{about}"
                );
                let url = component["purl"].as_str().unwrap();
                let ours = url.contains("vcs_url") || url.contains("rust-std");
                assert_ne!(component["hashes"].is_array(), ours, "{about}");
            }
        }
    }

    #[test]
    fn what_is_used_is_listed() {
        for (name, text) in documents() {
            let document: Value = serde_json::from_str(&text).unwrap();
            let refs = |entries: &Value, key: &str| -> BTreeSet<String> {
                let entries = entries.as_array().unwrap().iter();
                entries
                    .map(|entry| entry[key].as_str().unwrap().to_owned())
                    .collect()
            };
            let mut listed = refs(&document["components"], "bom-ref");
            let root = document["metadata"]["component"]["bom-ref"].as_str();
            listed.insert(root.unwrap().to_owned());
            for entry in document["dependencies"].as_array().unwrap() {
                for used in entry["dependsOn"].as_array().unwrap() {
                    let used = used.as_str().unwrap();
                    assert!(listed.contains(used), "{name} does not list {used}");
                }
            }
        }
    }
}
