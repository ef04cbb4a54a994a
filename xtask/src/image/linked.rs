//! What a program needs beside it in an image.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// What a program is linked to, the loader as well; nothing for a static one.
pub fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.context("cannot start ldd")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let all = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
    if all.contains("statically linked") || all.contains("not a dynamic executable") {
        return Ok(BTreeSet::new());
    }
    ensure!(
        output.status.success() && !said.contains("not found"),
        "ldd {}: {all}",
        program.display()
    );
    Ok(paths(&said))
}

/// The absolute paths in what `ldd` says: `name => path (address)`, or `path (address)` for the loader. What has no path
/// is the kernel's.
fn paths(said: &str) -> BTreeSet<PathBuf> {
    let words = said
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    words.map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_what_ldd_says() {
        let said = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                    \tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f1)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f2)\n";
        let found = [
            "/lib/x86_64-linux-gnu/libgcc_s.so.1",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(paths(said), found.map(PathBuf::from).into());
    }
}
