//! `cargo xtask e2e`, the tests of `tests/e2e` on any cluster, and `cargo xtask up`, a cluster to play with.
//!
//! ```text
//! programs ──► images (release, or --debug) ──► bare: the tests start a cluster of their own
//!                                           ├─► kind: `kind create cluster`, `kind load image-archive`
//!                                           └─► current: the nodes have the images, or it says what to load
//! ```

mod current;
mod kind;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::progress::Steps;
use crate::test::ClusterPrograms;
use crate::{images, place, process, workspace};

/// The options of `cargo xtask e2e`.
#[derive(clap::Args)]
pub struct Args {
    /// Where to install it
    #[arg(long, value_enum, default_value_t = Cluster::Bare)]
    cluster: Cluster,
    /// Leave the cluster as it is at the end; the bare one runs until Ctrl-C then
    #[arg(long)]
    keep: bool,
    /// Take debug builds, which are made sooner
    #[arg(long)]
    debug: bool,
}

/// The options of `cargo xtask up`.
#[derive(clap::Args)]
pub struct UpArgs {
    /// Take debug builds, which are made sooner
    #[arg(long)]
    debug: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Cluster {
    /// A cluster of one node that is started for it, without Docker; needs root
    Bare,
    /// The cluster of the kubeconfig's current context, whose nodes have the images
    Current,
    /// A kind cluster that is made for it; needs kind and Docker
    Kind,
}

/// Names the folder with the images of a release.
const IMAGES: &str = "MINTAGE_E2E_IMAGES";

/// Names the kubeconfig of a cluster that is there.
const KUBECONFIG: &str = "MINTAGE_E2E_KUBECONFIG";

/// Whether the cluster is left as it is at the end.
const KEEP: &str = "MINTAGE_E2E_KEEP";

/// Runs `cargo xtask e2e`.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut steps = Steps::new(3);
    if args.cluster == Cluster::Kind {
        // Before anything slow.
        kind::find()?;
    }
    steps.next("programs of clusters")?;
    let programs = ClusterPrograms::prepare(args.cluster == Cluster::Bare)?;
    steps.next("images")?;
    let mut variables = built(args.debug)?;
    if args.keep {
        variables.push((KEEP, "1".into()));
    }
    steps.next("install, and show")?;
    let folder = tempfile::tempdir()?;
    let outcome = match args.cluster {
        Cluster::Bare => programs.run("e2e", None, &variables)?,
        Cluster::Current => {
            let kubeconfig = current::kubeconfig(folder.path())?;
            // Where they can be found again, to be loaded.
            let archives = archives(&workspace::target()?.join("e2e-images"), &variables)?;
            current::has_images(&kubeconfig, &archives)?;
            variables.push((KUBECONFIG, place::text(&kubeconfig)?));
            programs.run("e2e", None, &variables)?
        }
        Cluster::Kind => {
            let archives = archives(folder.path(), &variables)?;
            let kind = kind::Cluster::make(folder.path(), &archives, args.keep)?;
            variables.push((KUBECONFIG, place::text(kind.kubeconfig())?));
            let outcome = programs.run("e2e", None, &variables)?;
            kind.end()?;
            outcome
        }
    };
    match outcome {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(what) => bail!("{what}"),
    }
}

/// Runs `cargo xtask up`.
pub fn up(args: &UpArgs) -> Result<ExitCode> {
    let mut steps = Steps::new(3);
    steps.next("programs of clusters")?;
    let programs = ClusterPrograms::prepare(true)?;
    steps.next("images")?;
    let variables = built(args.debug)?;
    steps.next("a cluster with Mintage")?;
    let mut cluster = starter(&variables)?;
    cluster.arg("up").arg(workspace::target()?.join("up"));
    cluster.envs(programs.variables());
    Ok(if process::run(&mut cluster)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs a part of `tests/endurance` on debug builds; `Err` says what is not as it should be.
pub fn endurance(part: &str) -> Result<Result<(), String>> {
    let programs = ClusterPrograms::prepare(true)?;
    let variables = built(true)?;
    programs.run("endurance", Some(part), &variables)
}

/// Builds what runs in clusters; the variables in which it is found.
fn built(debug: bool) -> Result<Vec<(&'static str, String)>> {
    // As `cargo xtask test` builds them: with another choice of packages all of it would be built again.
    let mut build = workspace::cargo();
    build.args(["build", "--workspace", "--exclude", "xtask", "--bins"]);
    if !process::run(&mut build)? {
        bail!("the build of what runs in clusters failed");
    }
    if debug {
        return Ok(Vec::new());
    }
    Ok(vec![(IMAGES, place::text(&images::release()?)?)])
}

/// The program of the tests that starts clusters and writes images.
fn starter(variables: &[(&'static str, String)]) -> Result<Command> {
    let programs = workspace::target()?.join("debug");
    let mut command = Command::new(programs.join("bare-cluster"));
    command
        .current_dir(workspace::root())
        .env("CARGO_MANIFEST_DIR", workspace::root().join("tests"))
        .env("MINTAGE_BIN_DIR", programs)
        .envs(variables.iter().cloned());
    Ok(command)
}

/// Writes all images that a cluster needs; their archives.
fn archives(folder: &Path, variables: &[(&'static str, String)]) -> Result<Vec<PathBuf>> {
    let mut command = starter(variables)?;
    let said = process::read(command.arg("images").arg(folder)).context("images")?;
    Ok(said.lines().map(PathBuf::from).collect())
}
