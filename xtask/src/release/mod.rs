//! `cargo xtask release`: static, stripped binaries that come out the same, byte for byte, wherever they are built.
//!
//! ```text
//! checkout ──► build ──► static? ──► dist/<target>/: binaries, an SBOM of each, SHA256SUMS
//! a copy of it elsewhere ──► build ──► the same bytes?        (with --verify)
//! ```

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};

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
    let target = target();
    let out = match &args.out {
        Some(folder) => folder.clone(),
        None => workspace::target()?.join("dist").join(&target),
    };
    let mut steps = Steps::new(2 + 2 * usize::from(args.verify));
    steps.next(&format!("build for {target}"))?;
    build::prepare(&target)?;
    let folder = workspace::target()?.join("release-build");
    let elsewhere = tempfile::tempdir()?;
    let copy = elsewhere.path().join("another/copy");
    if args.verify {
        // Now, so that both builds are of the same files though somebody edits them meanwhile.
        copy_checkout(&copy)?;
    }
    let built = build::run(workspace::root(), &folder, &target)?;

    if args.verify {
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
            return Ok(ExitCode::FAILURE);
        }
    }
    steps.next("write")?;
    write(&built, &out, &target)?;
    Ok(ExitCode::SUCCESS)
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

/// Writes binaries, their documents and `SHA256SUMS`, which `sha256sum --check` reads.
fn write(built: &BTreeMap<&str, PathBuf>, out: &Path, target: &str) -> Result<()> {
    let mut files = sbom::write_all(out, target)?;
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
        files.push(released);
    }
    files.sort();
    let mut sums = String::new();
    for file in &files {
        let name = file.file_name().context("a file without a name")?;
        writeln!(sums, "{}  {}", sha256(&fs::read(file)?), name.display())?;
    }
    let file = out.join("SHA256SUMS");
    fs::write(&file, sums).with_context(|| file.display().to_string())?;
    say(format_args!("written: {}", out.display()))?;
    Ok(())
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

fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let mut text = String::new();
    for byte in digest.as_ref() {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
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
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
    }
}
