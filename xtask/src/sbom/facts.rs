//! What the lock file and the packages' own manifests say of each package.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::linked::Package;
use crate::{process, workspace};

/// What is known of a package.
#[derive(Default)]
pub struct Facts {
    /// SHA-256 of its archive in the registry; none of the workspace's own.
    pub checksum: Option<String>,
    /// An SPDX expression.
    pub license: Option<String>,
    /// Where its source is kept.
    pub repository: Option<String>,
}

/// The facts about all packages of the lock file.
pub fn read() -> Result<BTreeMap<Package, Facts>> {
    let lock = workspace::root().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| lock.display().to_string())?;
    let metadata =
        process::read(workspace::cargo().args(["metadata", "--locked", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let mut checksums = checksums(&lock);
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let facts = packages.map(|entry| {
        let text = |name: &str| entry[name].as_str().map(str::to_owned);
        let package = Package {
            name: text("name").context("a package without a name")?,
            version: text("version").context("a package without a version")?,
        };
        let facts = Facts {
            checksum: checksums.remove(&package),
            // Manifests from before SPDX expressions say `MIT/Apache-2.0`.
            license: text("license").map(|license| license.replace('/', " OR ")),
            repository: text("repository"),
        };
        Ok((package, facts))
    });
    facts.collect()
}

/// The checksums of a lock file, which cargo writes with one `key = "value"` a line.
fn checksums(lock: &str) -> BTreeMap<Package, String> {
    let blocks = lock.split("[[package]]").skip(1);
    let found = blocks.filter_map(|block| {
        let value = |key: &str| {
            let mut lines = block.lines().filter_map(|line| line.split_once(" = "));
            lines
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.trim_matches('"').to_owned())
        };
        let package = Package {
            name: value("name")?,
            version: value("version")?,
        };
        Some((package, value("checksum")?))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_stand_in_the_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"00ff\"\n\n\
                    [[package]]\nname = \"ours\"\nversion = \"0.1.0\"\ndependencies = [\n \"a\",\n]\n";
        let found: Vec<_> = checksums(lock)
            .into_iter()
            .map(|(package, sum)| (package.name, package.version, sum))
            .collect();
        assert_eq!(found, [("a".into(), "1.0.0".into(), "00ff".into())]);
    }
}
