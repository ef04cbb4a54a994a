//! The tables of `docs/attacks.md` and `docs/troubles.md` against the tests that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use mintage_tests::workspace;

/// The tests that a row of a page's table names, by the row's number, as `7` or `F7`.
fn table(page: &str, before_numbers: &str) -> BTreeMap<u8, BTreeSet<String>> {
    let text = fs::read_to_string(workspace().join(page)).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, _, _, tests] = cells.as_slice() else {
            continue;
        };
        let number = number.strip_prefix(before_numbers);
        let Some(number) = number.and_then(|number| number.parse().ok()) else {
            continue;
        };
        // Every second piece between backticks is a name.
        let names = tests.split('`').skip(1).step_by(2).map(str::to_owned);
        let before = rows.insert(number, names.collect());
        assert_eq!(before, None, "row {number} of {page} is there twice");
    }
    rows
}

/// The names of all test functions below a folder.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(tests_of(&fs::read_to_string(path).unwrap()));
        }
    }
}

fn tests_of(source: &str) -> impl Iterator<Item = String> {
    let attributes = [
        "#[test]\n",
        "#[tokio::test]\n",
        "#[tokio::test(flavor = \"multi_thread\", worker_threads = 2)]\n",
        "#[tokio::test(start_paused = true)]\n",
    ];
    let after = attributes.map(|attribute| source.split(attribute).skip(1));
    after.into_iter().flatten().filter_map(|rest| {
        let function = rest.trim_start().trim_start_matches("async ");
        let name = function.strip_prefix("fn ")?.split('(').next()?;
        Some(name.to_owned())
    })
}

/// Makes sure that a page's rows name tests that exist, and all whose names begin with the row's number.
fn compare(
    page: &str,
    table: &BTreeMap<u8, BTreeSet<String>>,
    prefix: impl Fn(u8) -> Vec<String>,
    existing: &BTreeSet<String>,
) {
    for (number, named) in table {
        let gone: Vec<_> = named.difference(existing).collect();
        assert!(
            gone.is_empty(),
            "row {number} of {page} names tests that do not exist: {gone:?}"
        );
        let prefixes = prefix(*number);
        let is_of_it = |name: &&String| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let written: BTreeSet<String> = existing.iter().filter(is_of_it).cloned().collect();
        let left_out: Vec<_> = written.difference(named).collect();
        assert!(
            left_out.is_empty(),
            "row {number} of {page} leaves out {left_out:?}"
        );
    }
}

fn existing() -> BTreeSet<String> {
    let mut existing = BTreeSet::new();
    for folder in [
        "core/tests",
        "operator/src",
        "operator/tests",
        "sidecar/src",
        "sidecar/tests",
        "tests",
    ] {
        tests(&workspace().join(folder), &mut existing);
    }
    existing
}

#[test]
fn every_attack_has_the_tests_that_its_row_names() {
    let page = "docs/attacks.md";
    let table = table(page, "");
    for number in (1..=27).chain([29, 31, 32]) {
        let row = table.get(&number);
        assert!(row.is_some_and(|tests| !tests.is_empty()), "row {number}");
    }
    let prefix = |number| vec![format!("attack_{number:02}_")];
    compare(page, &table, prefix, &existing());
}

#[test]
fn every_fault_has_the_tests_that_its_row_names() {
    let page = "docs/troubles.md";
    let table = table(page, "F");
    for number in 1..=15 {
        let row = table.get(&number);
        assert!(row.is_some_and(|tests| !tests.is_empty()), "row F{number}");
    }
    let prefix = |number| vec![format!("f{number}_"), format!("f{number:02}_")];
    compare(page, &table, prefix, &existing());
}

#[test]
fn test_functions_are_recognised() {
    let source = "#[test]\nfn a() {}\nfn b() {}\n    #[tokio::test]\n    async fn c() {}\n// #[test] fn d\n\
                  #[tokio::test(start_paused = true)]\nasync fn e() {}\n";
    assert_eq!(tests_of(source).collect::<Vec<_>>(), ["a", "c", "e"]);
}
