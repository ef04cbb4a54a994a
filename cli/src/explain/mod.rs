//! `mintage explain`: what each reason code means, where it comes from and how to mend it.
//!
//! The codes are those of the enums that the product refuses with; each is explained by a `match` without a wildcard,
//! so a new code does not compile until it is explained.

mod http;
mod objects;
mod pages;
mod providers;
mod requests;
mod tenants;
mod tokens;

use mintage_core::code::Coded;
use mintage_core::{inject, plan, policy, upstream, verify};
use mintage_sidecar::endpoint::pages::FailureCode;
use mintage_sidecar::rule;
use serde::Serialize;

use crate::Failure;
use crate::lint;
use crate::output::{self, Output};

/// Explain a reason code: what it means, what causes it and how to mend it. Without one, list them all.
///
/// Codes stand in brackets in refusals, on error pages, and in logs, metrics and conditions. The text of a whole refusal will do, too.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mintage explain grant-missing\n  mintage explain \"$(mintage token -a https://orders.example.com 2>&1)\""
)]
pub struct Args {
    /// The code, or a text with the code in brackets.
    #[arg(value_name = "CODE")]
    code: Option<String>,
    /// The form of the answer.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// What is to be known of a code.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Meaning {
    /// What it says.
    pub means: &'static str,
    /// What leads to it, the likely first.
    pub causes: &'static [&'static str],
    /// What to do.
    pub mend: &'static str,
}

/// A set of codes that are explained.
pub trait Explained: Coded {
    /// What one of these codes says has happened.
    const EVENT: &'static str;

    /// What one of them means.
    fn explain(self) -> Meaning;
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Entry {
    code: &'static str,
    event: &'static str,
    #[serde(flatten)]
    meaning: Meaning,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let entries = entries();
    let Some(asked) = &args.code else {
        return list(&entries, args.output);
    };
    let entry = find(&entries, asked).ok_or_else(|| unknown(&entries, asked))?;
    if args.output == Output::Json {
        return Ok(output::json(entry)?);
    }
    output::line(format!("{}: {}", entry.code, entry.event))?;
    output::line("")?;
    output::line(format!("  {}", entry.meaning.means))?;
    output::line("")?;
    output::line("Causes")?;
    for cause in entry.meaning.causes {
        output::line(format!("  - {cause}"))?;
    }
    output::line("")?;
    output::line("Mend")?;
    Ok(output::line(format!("  {}", entry.meaning.mend))?)
}

/// Every code of the product.
fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    add::<policy::Rule>(&mut entries);
    add::<verify::Rule>(&mut entries);
    add::<rule::Rule>(&mut entries);
    add::<FailureCode>(&mut entries);
    add::<upstream::Fault>(&mut entries);
    add::<plan::Reason>(&mut entries);
    add::<inject::Rule>(&mut entries);
    add::<lint::Code>(&mut entries);
    entries
}

fn add<T: Explained>(entries: &mut Vec<Entry>) {
    entries.extend(T::ALL.iter().map(|code| Entry {
        code: code.code(),
        event: T::EVENT,
        meaning: code.explain(),
    }));
}

fn list(entries: &[Entry], output: Output) -> Result<(), Failure> {
    if output == Output::Json {
        return Ok(output::json(&entries)?);
    }
    let mut event = "";
    let codes = entries.iter().map(|entry| entry.code.len());
    let width = codes.max().unwrap_or_default();
    for entry in entries {
        if entry.event != event {
            output::line(format!(
                "{}{}",
                if event.is_empty() { "" } else { "\n" },
                entry.event
            ))?;
            event = entry.event;
        }
        output::line(format!("  {:<width$}  {}", entry.code, entry.meaning.means))?;
    }
    Ok(())
}

/// The entry of a code, whatever its case; else of the code that a text names in brackets.
fn find<'a>(entries: &'a [Entry], asked: &str) -> Option<&'a Entry> {
    let asked = asked.trim();
    let named = |entry: &&Entry| {
        [':', ')']
            .iter()
            .any(|end| asked.contains(&format!("({}{end}", entry.code)))
    };
    entries
        .iter()
        .find(|entry| entry.code.eq_ignore_ascii_case(asked))
        .or_else(|| entries.iter().find(named))
}

/// Where other words of the log are explained.
const EVENTS: &str = "what a log's `event` says is in docs/observability.md";

fn unknown(entries: &[Entry], asked: &str) -> Failure {
    let codes = entries.iter().map(|entry| entry.code);
    let near = output::nearest(asked, codes).join(", ");
    let hint = if near.is_empty() {
        format!("`mintage explain` lists them all; {EVENTS}")
    } else {
        format!("did you mean {near}? `mintage explain` lists them all; {EVENTS}")
    };
    let asked: String = asked.chars().take(80).collect();
    Failure::Input(format!("there is no code {asked:?}; {hint}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{entries, find, unknown};
    use crate::Failure;

    #[test]
    fn every_code_is_there_once_and_is_explained() {
        let mut codes = BTreeSet::new();
        for entry in entries() {
            let meaning = entry.meaning;
            assert!(
                codes.insert(entry.code.to_ascii_lowercase()),
                "{} is there twice",
                entry.code
            );
            assert!(!meaning.causes.is_empty(), "{} has no cause", entry.code);
            for text in [meaning.means, meaning.mend]
                .into_iter()
                .chain(meaning.causes.iter().copied())
            {
                assert!(
                    text.ends_with('.') && text.len() >= 15,
                    "{}: {text:?} is no sentence",
                    entry.code
                );
            }
        }
    }

    #[test]
    fn a_code_is_found_by_name_and_in_the_text_of_a_refusal() {
        let entries = entries();
        for (asked, code) in [
            ("grant-missing", Some("grant-missing")),
            (" Grant-Missing\n", Some("grant-missing")),
            ("conflict", Some("Conflict")),
            (
                "access_denied: no (scope-not-granted: x)",
                Some("scope-not-granted"),
            ),
            ("the signature is invalid (signature)", Some("signature")),
            ("callback-mismatch", Some("callback-mismatch")),
            ("the signature is invalid", None),
            ("grant", None),
        ] {
            assert_eq!(
                find(&entries, asked).map(|entry| entry.code),
                code,
                "{asked:?}"
            );
        }
    }

    #[test]
    fn an_unknown_code_is_answered_with_the_nearest() {
        let Failure::Input(text) = unknown(&entries(), "grant-mising") else {
            panic!("not an input error")
        };
        assert!(text.contains("did you mean grant-missing"), "{text}");
        let Failure::Input(text) = unknown(&entries(), "zzzzzzzzzzzz") else {
            panic!("not an input error")
        };
        assert!(!text.contains("did you mean"), "{text}");
        assert!(text.contains("docs/observability.md"), "{text}");
    }
}
