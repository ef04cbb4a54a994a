//! `cargo xtask bench operator`: the release operator with 10,000 APIs, on a control plane as `cargo xtask test` has it.
//!
//! What measures is the program `operator-scale` of the tests' package, which has the control plane; here is what it
//! needs around it.

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

/// The programs that are built for it.
const PROGRAMS: [&str; 2] = ["mintage-operator", "operator-scale"];

/// Measures, and publishes the section.
pub fn run(args: &Args) -> Result<()> {
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
    build.args(PROGRAMS.iter().flat_map(|name| ["--bin", name]));
    if !process::run(&mut build)? {
        bail!("the release build failed");
    }
    let release = workspace::target()?.join("release");
    let mut scale = Command::new(release.join("operator-scale"));
    scale
        .args(args.quick.then_some("--quick"))
        .env("MINTAGE_BIN_DIR", &release)
        .envs(programs);
    let figures = process::read(&mut scale)?;
    let origin = table::origin(started)?;
    args.publish("operator", &format!("{INTRODUCTION}\n{origin}.\n{figures}"))
}
