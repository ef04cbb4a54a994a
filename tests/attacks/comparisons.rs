//! Attack 18: how secrets are compared. A derived `==` ends at the first byte that differs, and tells how far a guess
//! was right; so a type that holds a secret either has no `==`, or one that aws-lc's constant-time comparison makes.

use std::fs;
use std::path::{Path, PathBuf};

use mintage_tests::workspace;

/// How secrets lie in memory here: bytes that are wiped.
const SECRET: &str = "Zeroizing<";

/// The types of a source text that hold a secret themselves: name, and what was written before the declaration.
fn holders(source: &str) -> Vec<(String, String)> {
    let items = source.split("\n\n");
    items
        .filter_map(|item| {
            let (before, declaration) = ["struct ", "enum "]
                .iter()
                .find_map(|word| item.split_once(word))?;
            let body = declaration.split("\n}").next()?;
            let name = declaration.split(|c: char| !c.is_alphanumeric()).next()?;
            let held = body.contains(SECRET) && !before.contains("fn ");
            held.then(|| (name.to_owned(), before.to_owned()))
        })
        .collect()
}

/// The types whose comparison is not constant-time.
fn leaks(source: &str) -> Vec<String> {
    let constant = |name: &str| {
        let by_hand = source.split_once(&format!("impl PartialEq for {name} {{"));
        by_hand.is_none_or(|(_, rest)| {
            let body = rest.split("\n}").next().unwrap_or_default();
            body.contains("verify_slices_are_equal(")
        })
    };
    let holders = holders(source).into_iter();
    holders
        .filter(|(name, before)| before.contains("PartialEq") || !constant(name))
        .map(|(name, _)| name)
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn attack_18_secrets_are_compared_in_constant_time() {
    let mut files = Vec::new();
    for package in ["cli", "core", "crds", "sidecar"] {
        sources(&workspace().join(package).join("src"), &mut files);
    }
    let mut all = Vec::new();
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        assert_eq!(leaks(&source), [""; 0], "{}", file.display());
        all.extend(holders(&source).into_iter().map(|(name, _)| name));
    }
    all.sort();
    assert_eq!(
        all,
        ["ClientSecret", "Files", "Master", "Pkcs8"],
        "every type that holds a secret"
    );
}

#[test]
fn attack_18_a_derived_comparison_is_found() {
    let derived = "#[derive(Clone, PartialEq)]\nstruct Key(Zeroizing<Vec<u8>>);";
    let by_hand = |body: &str| {
        format!(
            "struct Key {{\n    bytes: Zeroizing<Vec<u8>>,\n}}\n\nimpl PartialEq for Key {{\n    {body}\n}}"
        )
    };
    assert_eq!(leaks(derived), ["Key"]);
    assert_eq!(leaks(&by_hand("*self.0 == *other.0")), ["Key"]);
    assert_eq!(leaks(&by_hand("verify_slices_are_equal(a, b)")), [""; 0]);
    assert_eq!(leaks("struct Key(Zeroizing<Vec<u8>>);"), [""; 0]);
    assert_eq!(leaks("#[derive(PartialEq)]\nstruct Name(String);"), [""; 0]);
}
