//! The names and labels of Kubernetes itself, which no schema of a kind describes.

use std::sync::LazyLock;

use regex::Regex;

use crate::field;

static DNS_LABEL: LazyLock<Regex> = LazyLock::new(|| compiled(field::DNS_LABEL));
static DNS_SUBDOMAIN: LazyLock<Regex> = LazyLock::new(|| compiled(field::DNS_SUBDOMAIN));
static LABEL_KEY: LazyLock<Regex> = LazyLock::new(|| compiled(field::LABEL_KEY));
static LABEL_VALUE: LazyLock<Regex> = LazyLock::new(|| compiled(field::LABEL_VALUE));

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("our own patterns compile")
}

/// Why `name` is no DNS label (RFC 1123), as namespaces must be.
pub(crate) fn dns_label(name: &str) -> Option<String> {
    check(
        name,
        63,
        &DNS_LABEL,
        "a DNS label: lower case letters, digits and '-', with a letter or digit first and last",
    )
}

/// Why `name` is no DNS subdomain (RFC 1123), as most objects must be named.
pub(crate) fn dns_subdomain(name: &str) -> Option<String> {
    let what = "a DNS subdomain: lower case letters, digits, '-' and '.', with a letter or digit first and last in each part";
    check(name, 253, &DNS_SUBDOMAIN, what)
}

/// What is wrong with the labels `pairs`: the text at fault and why.
pub(crate) fn labels<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(&'a str, String)> {
    pairs
        .flat_map(|(key, value)| {
            let what = "a label value: letters, digits, '-', '_' and '.', with a letter or digit first and last";
            let value_error = check(value, 63, &LABEL_VALUE, what).map(|why| (value, format!("the label {key} {why}")));
            key_error(key, key).into_iter().chain(value_error)
        })
        .collect()
}

/// What is wrong with the annotations `pairs`: the text at fault and why.
pub(crate) fn annotations<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(&'a str, String)> {
    // In annotations the case of the prefix doesn't matter.
    pairs
        .filter_map(|(key, _)| key_error(key, &key.to_lowercase()))
        .collect()
}

fn key_error<'a>(shown: &'a str, key: &str) -> Option<(&'a str, String)> {
    let what =
        "a key: an optional DNS name and '/', then at most 63 letters, digits, '-', '_' and '.'";
    check(key, 317, &LABEL_KEY, what)
        .map(|why| (shown, why))
        .or_else(|| {
            let (prefix, _) = key.rsplit_once('/')?;
            (prefix.len() > 253).then(|| {
                (
                    shown,
                    "must have at most 253 characters before the '/'".to_owned(),
                )
            })
        })
}

fn check(text: &str, longest: usize, pattern: &Regex, what: &str) -> Option<String> {
    if text.len() > longest {
        Some(format!("must be no more than {longest} bytes"))
    } else if pattern.is_match(text) {
        None
    } else {
        Some(format!("must be {what}"))
    }
}
