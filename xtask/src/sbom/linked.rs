//! Which packages are linked into a binary: cargo's own answer, with the features that this binary's build has.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use crate::{process, workspace};

/// A package of a lock file.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Package {
    /// Its name in the registry.
    pub name: String,
    /// Its exact version.
    pub version: String,
}

/// The packages of one binary, each with those it uses directly.
#[derive(Debug, PartialEq)]
pub struct Linked {
    /// The package of the binary.
    pub root: Package,
    /// All packages, the root included.
    pub uses: BTreeMap<Package, BTreeSet<Package>>,
}

impl Linked {
    /// Asks cargo about a package with a binary, built for a target.
    pub fn of(package: &str, target: &str) -> Result<Self> {
        let mut tree = workspace::cargo();
        tree.args(["tree", "--locked", "--package", package, "--target", target])
            // What only runs during the build (build scripts, procedural macros) or in tests is not in the binary.
            .args(["--edges", "normal,no-proc-macro"])
            .args(["--prefix", "depth", "--format", " {p}"]);
        Self::parse(&process::read(&mut tree)?)
    }

    /// Reads lines of depth, name and version: a line's user is the last one before it that is less deep.
    fn parse(tree: &str) -> Result<Self> {
        let mut uses: BTreeMap<Package, BTreeSet<Package>> = BTreeMap::new();
        let mut path: Vec<Package> = Vec::new();
        for line in tree.lines() {
            let (depth, package) =
                parse_line(line).with_context(|| format!("a line of cargo tree: {line}"))?;
            path.truncate(depth);
            if let Some(user) = path.last() {
                uses.entry(user.clone())
                    .or_default()
                    .insert(package.clone());
            }
            uses.entry(package.clone()).or_default();
            path.push(package);
        }
        let root = path.into_iter().next().context("cargo tree is empty")?;
        Ok(Self { root, uses })
    }
}

fn parse_line(line: &str) -> Option<(usize, Package)> {
    let mut words = line.split_whitespace();
    let depth = words.next()?.parse().ok()?;
    let package = Package {
        name: words.next()?.into(),
        version: words.next()?.strip_prefix('v')?.into(),
    };
    Some((depth, package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_say_who_uses_what() {
        let tree =
            "0 top v0.1.0 (/somewhere)\n1 a v1.0.0\n2 b v2.0.0\n3 c v3.0.0+x\n1 b v2.0.0 (*)\n";
        let linked = Linked::parse(tree).unwrap();
        let shown: Vec<String> = linked
            .uses
            .iter()
            .map(|(package, uses)| {
                let uses: Vec<_> = uses.iter().map(|used| used.name.as_str()).collect();
                format!("{} {}: {}", package.name, package.version, uses.join(" "))
            })
            .collect();
        assert_eq!(
            shown,
            ["a 1.0.0: b", "b 2.0.0: c", "c 3.0.0+x: ", "top 0.1.0: a b"]
        );
        assert_eq!(linked.root.name, "top");
        assert!(Linked::parse("").is_err());
        assert!(Linked::parse("0 top").is_err());
    }
}
