//! Manifest texts, given to the loader of `mintage dev`.

use std::sync::LazyLock;

use mintage_crds::manifest::{Text, parse};
use mintage_crds::{LoadError, Manifests};
use mintage_fuzz::edited;
use serde_json::{Value, json};

const WORDS: &[&str] = &[
    "\n",
    "\n  ",
    "\n- ",
    "  ",
    "\t",
    ": ",
    "- ",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!str ",
    "!!int ",
    "!x ",
    "|\n",
    ">-\n",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    "yes",
    "null",
    "~",
    "0x1f",
    "1_000",
    "1e400",
    ".inf",
    "99999999999999999999",
    "[[[[[[[[[[[[[[[[",
    "{a: {a: {a: {a: ",
    "&a [*a, *a]",
    "kind: List\nitems:\n",
    "spec:\n",
    "status:\n",
    "  domain: a.test\n",
    "  identifier: a\n",
    "  allowedNamespaces: {from: All}\n",
    "  scopes: [{name: a}, {name: a}]\n",
    "720h",
    "mintage.dev/revoke-now",
    "\u{0}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{1b}[31m",
    "\u{e9}",
];

/// The README's own manifests, each file a base.
static GOOD: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = "../examples/quickstart";
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let texts = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    texts.collect()
});

pub fn check(input: &[u8]) {
    judge(&String::from_utf8_lossy(input));
    // The first byte picks the file, so that one input is one change.
    let good = &GOOD[usize::from(input.first().copied().unwrap_or_default()) % GOOD.len()];
    let changed = edited(good.as_bytes(), input.get(1..).unwrap_or_default(), WORDS);
    judge(&String::from_utf8_lossy(&changed));
}

fn read(text: &str) -> Result<Manifests, Vec<LoadError>> {
    parse(&[Text {
        file: "f.yaml".into(),
        text: text.to_owned(),
    }])
}

fn judge(text: &str) {
    match (read(text), read(text)) {
        (Ok(first), Ok(second)) => {
            let objects = objects(&first);
            assert_eq!(objects, self::objects(&second), "the same verdict twice");
            accepted(&objects);
        }
        (Err(first), Err(second)) => {
            let texts = |errors: &[LoadError]| errors.iter().map(ToString::to_string).collect();
            let (first_texts, second_texts): (Vec<String>, Vec<String>) =
                (texts(&first), texts(&second));
            assert_eq!(first_texts, second_texts, "the same verdict twice");
            refused(text, &first);
        }
        (first, second) => panic!("{first:?}, and then {second:?}"),
    }
}

/// Every object of ours, typed and with its defaults, as JSON.
fn objects(manifests: &Manifests) -> Vec<Value> {
    let tenants = manifests.tenants.iter().map(|found| json!(found.object));
    let audiences = manifests.audiences.iter().map(|found| json!(found.object));
    let domains = manifests.domains.iter().map(|found| json!(found.object));
    tenants.chain(audiences).chain(domains).collect()
}

/// What was accepted and is written again is accepted again, and means the same.
fn accepted(before: &[Value]) {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": before });
    let again = read(&list.to_string());
    let again = again.unwrap_or_else(|errors| panic!("{list}\n{}", errors[0]));
    assert_eq!(objects(&again), before);
}

/// Each error names a place in the text, in words that a terminal can show.
fn refused(text: &str, errors: &[LoadError]) {
    assert!(!errors.is_empty());
    // The parser ends lines at carriage returns, too, and counts the empty line after the last break.
    let breaks = text.chars().filter(|c| matches!(c, '\n' | '\r'));
    let lines = 1 + breaks.count();
    for error in errors {
        let shown = error.to_string();
        assert_eq!(&*error.at.file, "f.yaml");
        assert!((1..=lines).contains(&error.at.line), "{shown}");
        assert!(
            shown.starts_with(&format!("f.yaml:{}:", error.at.line)),
            "{shown}"
        );
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert!(shown.len() < 8192, "{} bytes", shown.len());
    }
}
