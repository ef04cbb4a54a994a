//! `cargo xtask check`: everything that a reviewer should not have to look at.

use std::process::{Command, ExitCode};

use crate::progress::{Steps, say};
use crate::{deny, generate, process, workspace};

/// Runs all checks, also after one has failed, and names the failed ones at the end.
pub fn run() -> anyhow::Result<ExitCode> {
    let mut steps = Steps::new(4);
    let mut failed = Vec::new();

    steps.next("formatting")?;
    if !process::run(workspace::cargo().args(["fmt", "--all", "--check"]))? {
        failed.push("formatting (`cargo fmt --all` mends it)");
    }

    steps.next("lints")?;
    let everything = process::run(&mut clippy(&["--workspace", "--all-targets"]))?;
    // `--all-targets` leaves out the targets that `cargo test` does not run by itself.
    let mut drivers = vec!["-p", "mintage-tests"];
    drivers.extend(
        [
            "apiserver",
            "browser",
            "charts",
            "compat",
            "e2e",
            "edge",
            "endurance",
            "outside",
            "pods",
            "upgrade",
        ]
        .iter()
        .flat_map(|target| ["--test", target]),
    );
    let drivers = process::run(&mut clippy(&drivers))?;
    if !(everything && drivers) {
        failed.push("lints");
    }

    steps.next("generated files")?;
    if !generate::check()? {
        failed.push("generated files (`cargo xtask gen` mends them)");
    }

    steps.next("licences, sources and bans")?;
    // Not the advisories: those change without a change here, and need the network.
    if !deny::offline()? {
        failed.push("licences, sources and bans (`cargo deny check bans licenses sources` shows who needs what)");
    }

    say("")?;
    if failed.is_empty() {
        say("all checks passed")?;
        return Ok(ExitCode::SUCCESS);
    }
    for check in failed {
        say(format_args!("FAILED: {check}"))?;
    }
    Ok(ExitCode::FAILURE)
}

fn clippy(targets: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command
        .arg("clippy")
        .args(targets)
        .args(["--", "-D", "warnings"]);
    command
}
