//! `cargo xtask release`: static, stripped binaries that come out the same, byte for byte, wherever they are built.
//!
//! ```text
//! checkout ──► build ──► static? ──► dist/<target>/: binaries, an SBOM of each, SHA256SUMS
//! a copy of it elsewhere ──► build ──► the same bytes?        (with --verify)
//! ```

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use xtask::image::sha256;

use crate::progress::{Steps, say};
use crate::{elf, process, sbom, workspace};

mod build;

/// The programs that are released, each of the package of that name.
pub const BINARIES: [&str; 3] = ["mintage", "mintage-operator", "mintage-sidecar"];

/// The options of `cargo xtask release`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder to write to; `dist/<target>` in cargo's target folder unless given
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Build a second time, from a copy of the checkout in another folder, and compare the bytes
    #[arg(long)]
    verify: bool,
}

/// Runs `cargo xtask release`.
pub fn run(args: &Args) -> Result<ExitCode> {
    Ok(match release(args.out.as_deref(), args.verify)? {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    })
}

/// Makes a release; the folder with it.
pub fn make(out: Option<&Path>) -> Result<PathBuf> {
    let made = release(out, false)?;
    made.context("a release that nothing is compared with differs from nothing")
}

/// `None` if a second build came out differently.
fn release(out: Option<&Path>, verify: bool) -> Result<Option<PathBuf>> {
    let target = target();
    let out = match out {
        Some(folder) => folder.to_owned(),
        None => workspace::target()?.join("dist").join(&target),
    };
    let mut steps = Steps::new(2 + 2 * usize::from(verify));
    steps.next(&format!("build for {target}"))?;
    build::prepare(&target)?;
    let folder = workspace::target()?.join("release-build");
    let elsewhere = tempfile::tempdir()?;
    let copy = elsewhere.path().join("another/copy");
    if verify {
        // Now, so that both builds are of the same files though somebody edits them meanwhile.
        copy_checkout(&copy)?;
    }
    let built = build::run(workspace::root(), &folder, &target)?;

    if verify {
        steps.next("build again, from a copy elsewhere")?;
        let again = build::run(&copy, &elsewhere.path().join("target"), &target)?;
        steps.next("compare")?;
        let mut all_same = true;
        for (name, file) in &built {
            let (same, said) = compare(name, &fs::read(file)?, &fs::read(&again[name])?);
            say(said)?;
            all_same &= same;
        }
        if !all_same {
            return Ok(None);
        }
    }
    steps.next("write")?;
    write(&built, &out, &target)?;
    Ok(Some(out))
}

/// What is released for: this machine's kind of processor, and no shared library.
pub fn target() -> String {
    format!("{ARCH}-unknown-linux-musl")
}

/// Compares two builds of one program, and says how they went.
fn compare(name: &str, one: &[u8], other: &[u8]) -> (bool, String) {
    let (sum, length) = (sha256(one), one.len());
    let said = if one == other {
        format!("{name}: the same {length} bytes twice, SHA-256 {sum}")
    } else {
        let (others, of) = (other.len(), sha256(other));
        format!(
            "FAILED: {name} differs: {length} bytes with SHA-256 {sum}, {others} bytes with {of}"
        )
    };
    (one == other, said)
}

/// Where the image of a program is.
pub fn archive(out: &Path, program: &str) -> PathBuf {
    out.join(format!("{program}.image.tar"))
}

/// Writes binaries, their documents and their sums. Images of an earlier release go.
fn write(built: &BTreeMap<&str, PathBuf>, out: &Path, target: &str) -> Result<()> {
    sbom::write_all(out, target)?;
    for (name, file) in built {
        let bytes = fs::read(file).with_context(|| file.display().to_string())?;
        ensure!(
            elf::is_static(&bytes),
            "{name} is linked dynamically, though {target} should be static"
        );
        let released = out.join(name);
        fs::copy(file, &released).with_context(|| released.display().to_string())?;
        let tenths = bytes.len() / 100_000;
        say(format_args!(
            "{name}: static, {}.{} MB",
            tenths / 10,
            tenths % 10
        ))?;
        match fs::remove_file(archive(out, name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    write_sums(out)?;
    say(format_args!("written: {}", out.display()))?;
    Ok(())
}

/// Writes `SHA256SUMS`, of all files that are there, as `sha256sum --check` reads it.
pub fn write_sums(out: &Path) -> Result<()> {
    const SUMS: &str = "SHA256SUMS";
    let mut lines = Vec::new();
    for entry in fs::read_dir(out)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_file() && name != SUMS {
            let sum = sha256(&fs::read(entry.path())?);
            lines.push((name.clone(), format!("{sum}  {}\n", name.display())));
        }
    }
    lines.sort();
    let text: String = lines.into_iter().map(|(_, line)| line).collect();
    let file = out.join(SUMS);
    fs::write(&file, text).with_context(|| file.display().to_string())
}

/// Copies what git knows of, with what was changed since the last commit.
fn copy_checkout(to: &Path) -> Result<()> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).args(["ls-files"]);
    for name in process::read(&mut git)?.lines() {
        let (from, to) = (workspace::root().join(name), to.join(name));
        let Some(folder) = to.parent() else {
            bail!("{name} lies in no folder");
        };
        fs::create_dir_all(folder)?;
        fs::copy(&from, &to).with_context(|| from.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_other_byte_is_a_difference() {
        let (same, said) = compare("mintage", b"ELF1", b"ELF1");
        assert!(same && said.contains("the same 4 bytes twice"), "{said}");
        let (same, said) = compare("mintage", b"ELF1", b"ELF2");
        assert!(!same && said.contains("differs"), "{said}");
    }

    #[test]
    fn sums_are_those_of_sha256sum() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("b", ""), ("a", "abc"), ("SHA256SUMS", "old")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        write_sums(folder.path()).unwrap();
        let mut check = Command::new("sha256sum");
        check.args(["--check", "SHA256SUMS"]);
        let said = process::read(check.current_dir(folder.path())).unwrap();
        assert_eq!(said, "a: OK\nb: OK\n");
    }
}
