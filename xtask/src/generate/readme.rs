//! The generated parts of a chart's README: `<!-- values -->` … `<!-- end -->`, and `<!-- permissions -->` likewise.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::{rbac, values};

/// The README of the chart in a folder, its generated parts made anew.
pub fn of_chart(chart: &Path) -> anyhow::Result<String> {
    let read = |name: &str| {
        let path = chart.join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let values = values::markdown(&read("values.yaml")?).context("values.yaml")?;
    let readme = replace(&read("README.md")?, "values", &values).context("README.md")?;
    replace(&readme, "permissions", &rbac::markdown()).context("README.md")
}

/// Puts `contents` between `<!-- <name> … -->` and the next `<!-- end -->`.
fn replace(text: &str, name: &str, contents: &str) -> anyhow::Result<String> {
    const END: &str = "<!-- end -->";
    let missing = || format!("it has no line `<!-- {name}: … -->` with an `{END}` after it");
    let start = text.find(&format!("<!-- {name}: ")).with_context(missing)?;
    let (before, rest) = text.split_at(start);
    let (marker, rest) = rest.split_once('\n').with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{before}{marker}\n{contents}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_part_stays() {
        let text = "a\n<!-- x: made -->\nold\n<!-- end -->\nb\n<!-- y: made -->\n<!-- end -->\n";
        let made = replace(text, "x", "new\n").unwrap();
        assert_eq!(
            made,
            "a\n<!-- x: made -->\nnew\n<!-- end -->\nb\n<!-- y: made -->\n<!-- end -->\n"
        );
        assert_eq!(replace(&made, "x", "new\n").unwrap(), made);
    }

    #[test]
    fn a_readme_without_the_part_is_refused() {
        assert!(replace("a\n", "x", "new\n").is_err());
        assert!(replace("<!-- x: made -->\n", "x", "new\n").is_err());
    }
}
