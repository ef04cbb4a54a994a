//! `docs/troubles.md` explains what the stream, `doctor` and the webhook say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mintage_tests::workspace;

const PAGE: &str = "docs/troubles.md";

/// A source without its tests.
fn source(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let shown = text.split("#[cfg(test)]").next();
    shown.unwrap_or_default().to_owned()
}

/// The texts that stand right behind a word.
fn after(source: &str, word: &str) -> BTreeSet<String> {
    let behind = source.split(word).skip(1);
    let texts = behind.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    texts.map(str::to_owned).collect()
}

/// The texts that are names of rules: small letters with hyphens between them.
fn rules(source: &str) -> BTreeSet<String> {
    let texts = source.split('"').skip(1).step_by(2);
    let rules = texts.filter(|text| {
        text.contains('-')
            && text
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '-')
            // The names of our programs.
            && !text.starts_with("mintage-")
    });
    rules.map(str::to_owned).collect()
}

fn explained(texts: &BTreeSet<String>, at_least: usize) {
    assert!(texts.len() >= at_least, "only {texts:?} were found");
    let page = fs::read_to_string(workspace().join(PAGE)).unwrap();
    let lacking: Vec<&String> = texts
        .iter()
        .filter(|text| !page.contains(&format!("`{text}")) && !page.contains(&format!("{text}`")))
        .collect();
    assert!(lacking.is_empty(), "{PAGE} does not explain {lacking:?}");
}

#[test]
fn every_message_of_the_stream_is_explained() {
    let words = [
        "#[error(",
        "Code::Internal, ",
        "Status::aborted(",
        "Status::cancelled(",
        "Status::deadline_exceeded(",
        "Status::invalid_argument(",
        "Status::permission_denied(",
        "Status::unauthenticated(",
        "Status::unavailable(",
        " unauthenticated(",
        "Err(unauthenticated(",
        "event = ",
    ];
    let mut texts = BTreeSet::new();
    for path in [
        "operator/src/feed/review.rs",
        "operator/src/feed/serve.rs",
        "operator/src/feed/service.rs",
        "sidecar/src/feed/client.rs",
    ] {
        let source = source(&workspace().join(path));
        for word in words {
            texts.extend(after(&source, word));
        }
    }
    // Where something is put in, the page has what stands before it. These are no trouble, or seen at debug level only.
    let fixed = |text: String| {
        let before = text.split('{').next().unwrap_or_default();
        before.trim_end_matches([' ', ':']).to_owned()
    };
    let untroubled = [
        "accept-failed",
        "feed-connected",
        "feed-connection-ended",
        "listening",
        "",
    ];
    let mut texts: BTreeSet<String> = texts.into_iter().map(fixed).collect();
    texts.retain(|text| !untroubled.contains(&text.as_str()));
    explained(&texts, 25);
}

#[test]
fn every_reason_for_which_a_pod_is_missing_is_explained() {
    let survey = source(&workspace().join("operator/src/feed/survey.rs"));
    let mut texts = BTreeSet::new();
    for word in ["=> ", "format!("] {
        let found = after(&survey, word).into_iter();
        let before = found.filter_map(|text| Some(text.split('{').next()?.trim().to_owned()));
        texts.extend(before.filter(|text| !text.is_empty()));
    }
    explained(&texts, 5);
}

#[test]
fn every_finding_of_doctor_is_explained() {
    let mut texts = BTreeSet::new();
    for entry in fs::read_dir(workspace().join("cli/src/cluster/doctor")).unwrap() {
        texts.extend(rules(&source(&entry.unwrap().path())));
    }
    explained(&texts, 20);
}

#[test]
fn every_rule_by_which_a_pod_is_refused_is_explained() {
    let mut texts = BTreeSet::new();
    for path in ["core/src/inject.rs", "operator/src/inject/refusal.rs"] {
        texts.extend(rules(&source(&workspace().join(path))));
    }
    explained(&texts, 18);
}

#[test]
fn texts_are_found_in_sources() {
    let source = "a(\"one\") a(\n    \"two {x}\") b(\"three-four\") a(three)";
    let found: Vec<_> = after(source, "a(").into_iter().collect();
    assert_eq!(found, ["one", "two {x}"]);
    let found: Vec<_> = rules(source).into_iter().collect();
    assert_eq!(found, ["three-four"]);
}
