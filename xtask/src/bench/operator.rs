//! `cargo xtask bench operator`: the release operator with 10,000 APIs, on a control plane as `cargo xtask test` has it.
//!
//! What measures is the program `operator-scale` of the tests' package, which has the control plane; here is what it
//! needs around it. `cargo xtask bench streams` is the same with `operator-streams`.

use std::process::Command;

use anyhow::{Result, bail};

use super::{Args, table, wall_clock};
use crate::progress::say;
use crate::{process, test, workspace};

const INTRODUCTION: &str = "\
Made by `cargo xtask bench operator --write`. etcd (without fsync), kube-apiserver, the release operator as its own
`ServiceAccount` with the chart's permissions, and what measures share the machine. Everything is there before the
operator starts, so all of it comes at once. Writes are counted by the API server's audit log. A change is a patch of a
`spec`; it has shown when `observedGeneration` and `Ready` are about it.
";

const STREAMS_INTRODUCTION: &str = "\
Made by `cargo xtask bench streams --write`, on a control plane as above. Each sidecar is the sidecar's own client of the
stream, with the token of a pod of its own; all of them are in one process beside the operator's. The key that is revoked is
the tenant's, which every bundle has.
";

/// The operator at the size of the design.
pub fn run(args: &Args) -> Result<()> {
    measure(args, "operator", "operator-scale", INTRODUCTION)
}

/// Many sidecars at its stream.
pub fn streams(args: &Args) -> Result<()> {
    measure(args, "streams", "operator-streams", STREAMS_INTRODUCTION)
}

/// Measures with one of the programs that are built for it, and publishes the section.
fn measure(args: &Args, section: &str, program: &str, introduction: &str) -> Result<()> {
    let started = wall_clock();
    let programs = test::control_plane()?;
    say("building the release operator, and what measures it")?;
    let mut build = workspace::cargo();
    build.args(["build", "--release"]);
    build.args([
        "--package",
        "mintage-operator",
        "--package",
        "mintage-tests",
    ]);
    build.args(["--bin", "mintage-operator", "--bin", program]);
    if !process::run(&mut build)? {
        bail!("the release build failed");
    }
    let release = workspace::target()?.join("release");
    let mut measuring = Command::new(release.join(program));
    measuring
        .args(args.quick.then_some("--quick"))
        .env("MINTAGE_BIN_DIR", &release)
        .envs(programs);
    let figures = process::read(&mut measuring)?;
    let origin = table::origin(started)?;
    args.publish(section, &format!("{introduction}\n{origin}.\n{figures}"))
}
