//! docs/benchmarks.md: each measurement writes its own section, between two comments, and leaves the others.

use std::fs;

use anyhow::{Context as _, Result};

use crate::workspace;

/// Puts a section into the page.
pub fn write(section: &str, text: &str) -> Result<()> {
    let file = workspace::root().join("docs/benchmarks.md");
    let page = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let page = replaced(&page, section, text)
        .with_context(|| format!("{} has no section {section}", file.display()))?;
    fs::write(&file, page).with_context(|| file.display().to_string())
}

fn replaced(page: &str, section: &str, text: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- begin {section} -->\n"),
        format!("<!-- end {section} -->"),
    );
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_others_stay() {
        let page =
            "# Page\n<!-- begin a -->\nold\n<!-- end a -->\n<!-- begin b -->\nb\n<!-- end b -->\n";
        let wanted =
            "# Page\n<!-- begin a -->\nnew\n<!-- end a -->\n<!-- begin b -->\nb\n<!-- end b -->\n";
        assert_eq!(replaced(page, "a", "new\n").unwrap(), wanted);
        assert_eq!(replaced(page, "c", "new\n"), None);
    }

    #[test]
    fn the_page_has_a_place_for_each_section() {
        let page = fs::read_to_string(workspace::root().join("docs/benchmarks.md")).unwrap();
        for section in [
            "allocators",
            "endpoint",
            "operator",
            "peers",
            "sidecar",
            "streams",
        ] {
            assert!(replaced(&page, section, "").is_some(), "{section}");
        }
    }
}
