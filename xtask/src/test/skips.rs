//! Tests that did not run, and the committed list of those that may not.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// A test that did not run.
#[derive(Debug, PartialEq)]
pub struct Skip {
    /// The name its runner prints.
    pub name: String,
    /// Why it did not run.
    pub reason: String,
}

/// Reads a list with one `name: reason` a line; `#` starts a comment line.
pub fn read_list(path: &Path) -> anyhow::Result<Vec<Skip>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> anyhow::Result<Vec<Skip>> {
    let numbered = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()));
    numbered
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            // Names hold `::`, never a colon and a space.
            let (name, reason) = line
                .split_once(": ")
                .with_context(|| format!("line {number} is not `name: reason`"))?;
            Ok(Skip {
                name: name.into(),
                reason: reason.trim().into(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_left_out() {
        let skips = parse("# why\n\nnode::accepts: there is no node\n").unwrap();
        assert_eq!(
            skips,
            [Skip {
                name: "node::accepts".into(),
                reason: "there is no node".into()
            }]
        );
    }

    #[test]
    fn a_skip_has_to_give_its_reason() {
        let error = parse("# why\nnode::accepts\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2 is not `name: reason`");
    }

    #[test]
    fn the_committed_list_is_readable() {
        read_list(&crate::workspace::root().join("tests/skips.txt")).unwrap();
    }
}
