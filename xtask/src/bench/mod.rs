//! `cargo xtask bench`: the numbers of the design's section 8, each as a ratio to a limit measured in the same run.
//!
//! ```text
//!  core 0: bare signing and verifying (the limits), then the release sidecar
//!  core 1: the load generator; its own limit is measured against /healthz
//! ```

mod fixture;
mod http;
mod limits;
mod rows;
mod server;
mod table;

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::progress::say;
use crate::{process, workspace};

/// The options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    /// One second for each row instead of four, and no criterion benches
    #[arg(long)]
    quick: bool,
    /// Write docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// Measure in this process, which must be a release build
    #[arg(long, hide = true)]
    measure: bool,
}

/// Runs `cargo xtask bench`.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.measure {
        return measure(args);
    }
    if !args.quick {
        say("criterion: sign, verify, decide, plan, bundles")?;
        let bench = [
            "bench",
            "--quiet",
            "--package",
            "mintage-core",
            "--bench",
            "core",
        ];
        if !process::run(workspace::cargo().args(bench))? {
            bail!("the criterion benches failed");
        }
    }
    say("building the release sidecar and generator")?;
    let build = [
        "build",
        "--release",
        "--package",
        "mintage-sidecar",
        "--package",
        "xtask",
    ];
    if !process::run(workspace::cargo().args(build))? {
        bail!("the release build failed");
    }
    // The limits are measured by optimised code, too.
    let mut command = Command::new(workspace::target()?.join("release/xtask"));
    command.args(["bench", "--measure"]);
    command.args(args.quick.then_some("--quick"));
    command.args(args.write.then_some("--write"));
    Ok(if process::run(&mut command)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn measure(args: &Args) -> Result<ExitCode> {
    let seconds = if args.quick { 1 } else { 4 };
    let report = rows::measure(seconds)?;
    let text = table::render(&report);
    say(&text)?;
    if args.write {
        std::fs::write(workspace::root().join("docs/benchmarks.md"), text)?;
        say("written: docs/benchmarks.md")?;
    }
    Ok(ExitCode::SUCCESS)
}
