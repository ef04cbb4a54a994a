//! `cargo deny`: what may be linked, and `cargo xtask advisories`, which looks the tree up in the list of known faults.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

use crate::progress::say;
use crate::{process, workspace};

/// Where cargo-deny fetches advisories from unless it is told otherwise.
const DATABASE: &str = "https://github.com/RustSec/advisory-db";

/// The options of `cargo xtask advisories`.
#[derive(clap::Args)]
pub struct Args {
    /// A git clone of RustSec's `advisory-db` to read instead of fetching it; one in the cache is taken by itself
    #[arg(long, value_name = "FOLDER", env = "MINTAGE_ADVISORY_DB")]
    database: Option<PathBuf>,
}

/// Runs `cargo xtask advisories`.
pub fn advisories(args: &Args) -> Result<ExitCode> {
    let mut snapshot = args.database.clone();
    if snapshot.is_none() {
        let kept = workspace::cache()?.join("advisory-db");
        snapshot = kept.exists().then_some(kept);
    }
    let database = |command: &mut Command| match &snapshot {
        Some(folder) => read_from(command, folder),
        None => Ok(()),
    };
    let mut fetch = command()?;
    database(&mut fetch)?;
    if !process::run(fetch.args(["--log-level", "error", "fetch", "db"]))? {
        ensure!(snapshot.is_none(), "the snapshot cannot be read");
        say(
            "SKIPPED the advisory database: it cannot be fetched, and `--database` names no snapshot",
        )?;
        say("instead, the versions that deny.toml names:")?;
        return Ok(exit_code(check(&["bans"])?));
    }
    let mut command = command()?;
    database(&mut command)?;
    command.args(["check", "--hide-inclusion-graph", "advisories"]);
    Ok(exit_code(process::run(&mut command)?))
}

/// What needs no network: licences, sources, and banned crates and versions.
pub fn offline() -> Result<bool> {
    check(&["bans", "licenses", "sources"])
}

fn check(what: &[&str]) -> Result<bool> {
    if installed()?.is_none() {
        say(MISSING)?;
        return Ok(false);
    }
    let mut command = command()?;
    command.args(["check", "--hide-inclusion-graph"]).args(what);
    process::run(&mut command)
}

/// cargo-deny at the top of the checkout. The CI script installs its own; a developer's may be anywhere cargo looks.
fn command() -> Result<Command> {
    let program = installed()?.context(MISSING)?;
    let mut command = Command::new(program);
    command.current_dir(workspace::root());
    Ok(command)
}

const MISSING: &str = "cargo-deny is missing: `cargo install --locked cargo-deny` installs it";

fn installed() -> Result<Option<PathBuf>> {
    let own = workspace::cache()?.join("tools/bin/cargo-deny");
    Ok(if own.is_file() {
        Some(own)
    } else {
        process::find("cargo-deny")
    })
}

/// Lets git answer for the database with the folder: cargo-deny itself takes no folder.
fn read_from(command: &mut Command, folder: &Path) -> Result<()> {
    let folder = std::path::absolute(folder)?;
    ensure!(
        folder.is_dir(),
        "{} is not a folder: clone {DATABASE} to it",
        folder.display()
    );
    command.envs([("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_VALUE_0", DATABASE)]);
    command.env(
        "GIT_CONFIG_KEY_0",
        format!("url.{}.insteadOf", folder.display()),
    );
    Ok(())
}

fn exit_code(succeeded: bool) -> ExitCode {
    if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Whether a workspace with this one dependency passes, and what was said.
    fn judge(program: &Path, dependency: &str, version: &str) -> (bool, String) {
        let folder = tempfile::tempdir().unwrap();
        let member = folder.path().join("dependency");
        fs::create_dir(&member).unwrap();
        fs::write(
            folder.path().join("Cargo.toml"),
            format!(
                "[package]\nname = \"top\"\nedition = \"2024\"\nlicense = \"MIT\"\n\
                 [dependencies]\n{dependency} = {{ path = \"dependency\", version = \"{version}\" }}\n"
            ),
        )
        .unwrap();
        fs::write(
            member.join("Cargo.toml"),
            format!("[package]\nname = \"{dependency}\"\nversion = \"{version}\"\nedition = \"2024\"\nlicense = \"MIT\"\n"),
        )
        .unwrap();
        for source in [folder.path().join("src"), member.join("src")] {
            fs::create_dir(&source).unwrap();
            fs::write(source.join("lib.rs"), "").unwrap();
        }
        let output = Command::new(program)
            .args(["--color", "never", "--manifest-path"])
            .arg(folder.path().join("Cargo.toml"))
            .arg("--config")
            .arg(workspace::root().join("deny.toml"))
            .args(["check", "bans"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), said)
    }

    #[test]
    fn a_lock_file_with_a_faulty_version_is_refused() {
        let Some(program) = installed().unwrap() else {
            mintage_tests::skip::skip("a_lock_file_with_a_faulty_version_is_refused", MISSING)
                .unwrap();
            return;
        };
        for (dependency, bad, good, advisory) in [
            ("h2", "0.4.15", "0.4.16", "RUSTSEC-2026-0258"),
            ("jsonwebtoken", "10.2.0", "10.3.0", "CVE-2026-25537"),
            ("rustls-webpki", "0.103.12", "0.103.13", "RUSTSEC-2026-0104"),
            ("tokio", "1.44.1", "1.44.2", "RUSTSEC-2025-0023"),
        ] {
            let (passes, said) = judge(&program, dependency, bad);
            assert!(
                !passes && said.contains(advisory),
                "{dependency} {bad}: {said}"
            );
            let (passes, said) = judge(&program, dependency, good);
            assert!(passes, "{dependency} {good}: {said}");
        }
        let (passes, said) = judge(&program, "rsa", "0.9.10");
        assert!(!passes && said.contains("RUSTSEC-2023-0071"), "{said}");
    }
}
