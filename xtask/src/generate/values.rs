//! The table of a chart's values, from the comments of its `values.yaml`.
//!
//! The file keeps to a part of YAML that can be read by the line: maps in block style, two spaces a level; a value in
//! the line of its key, lists and maps in flow style; above each value its comment, for people who read the file and
//! for those who read the table.

use std::fmt::Write as _;

use anyhow::bail;

/// A value that can be set.
#[derive(Debug, PartialEq)]
pub struct Row {
    /// Its keys, with dots between them.
    path: String,
    /// Its default, as it is written.
    default: String,
    /// Its comment.
    comment: String,
}

/// The values as a table for people.
pub fn markdown(values: &str) -> anyhow::Result<String> {
    let mut text = String::from("| value | default | |\n|---|---|---|\n");
    for Row {
        path,
        default,
        comment,
    } in rows(values)?
    {
        let comment = comment.replace('|', "\\|");
        let default = default.replace('|', "\\|");
        let _ = writeln!(text, "| `{path}` | `{default}` | {comment} |");
    }
    Ok(text)
}

/// All values, in the order of the file.
fn rows(values: &str) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut parents: Vec<&str> = Vec::new();
    let mut comment = String::new();
    for (index, line) in values.lines().enumerate() {
        let number = index + 1;
        let content = line.trim_start();
        if content.is_empty() {
            comment.clear();
            continue;
        }
        if let Some(text) = content.strip_prefix('#') {
            if !comment.is_empty() {
                comment.push(' ');
            }
            comment.push_str(text.trim());
            continue;
        }
        let indent = line.len() - content.len();
        let Some((key, default)) = content.split_once(':') else {
            bail!(
                "line {number}: a value and its key go in one line, lists and maps as [a] and {{a: b}}"
            );
        };
        if indent % 2 != 0 || indent / 2 > parents.len() || key.starts_with(['-', '{', '[', '"']) {
            bail!("line {number}: keys are bare, and each level is two spaces deeper");
        }
        parents.truncate(indent / 2);
        parents.push(key);
        let default = default.trim();
        let comment = std::mem::take(&mut comment);
        if default.is_empty() {
            continue;
        }
        if comment.is_empty() {
            bail!("line {number}: {key} has no comment above it");
        }
        rows.push(Row {
            path: parents.join("."),
            default: default.to_owned(),
            comment,
        });
        parents.pop();
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_named_by_their_path() {
        let values = "# Said of the file.\n\n# How many.\nreplicas: 2\n\nimage:\n  # Where\n  # from.\n  repository: a:b\n  # When.\n  pull: {x: 1}\n# Last.\nend: \"\"\n";
        let row = |path: &str, default: &str, comment: &str| Row {
            path: path.into(),
            default: default.into(),
            comment: comment.into(),
        };
        assert_eq!(
            rows(values).unwrap(),
            [
                row("replicas", "2", "How many."),
                row("image.repository", "a:b", "Where from."),
                row("image.pull", "{x: 1}", "When."),
                row("end", "\"\"", "Last."),
            ]
        );
    }

    #[test]
    fn what_the_table_would_leave_out_is_refused() {
        for (values, why) in [
            ("a: 1\n", "line 1: a has no comment above it"),
            ("# A.\n\na: 1\n", "line 3: a has no comment above it"),
            ("a:\n  - 1\n", "line 2: a value and its key go in one line"),
            ("a:\n  - b: 1\n", "line 2: keys are bare"),
            ("a:\n    # B.\n    b: 1\n", "line 3: keys are bare"),
        ] {
            let error = rows(values).unwrap_err().to_string();
            assert!(error.starts_with(why), "{values:?}: {error}");
        }
    }
}
