//! `cargo xtask e2e`, the tests of `tests/e2e` on any cluster, and `cargo xtask up`, a cluster to play with.
//!
//! ```text
//! programs ──► images (release, or --debug) ──► bare: the tests start a cluster of their own
//!                                           ├─► kind: `kind create cluster`, `kind load image-archive`; where no Docker
//!                                           │         runs, one is started for it
//!                                           └─► current: the nodes have the images, or it says what to load
//! ```

mod current;
mod kind;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use kind::Kind;

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
    /// Where to install it
    #[arg(long, value_enum, default_value_t = Cluster::Bare)]
    cluster: Cluster,
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
    /// A kind cluster that is made for it; where no Docker runs, root on a Debian has one started for it
    Kind,
}

/// Names the folder with the images of a release.
const IMAGES: &str = "MINTAGE_E2E_IMAGES";

/// Names the kubeconfig of a cluster that is there.
const KUBECONFIG: &str = "MINTAGE_E2E_KUBECONFIG";

/// Whether the cluster is left as it is at the end.
const KEEP: &str = "MINTAGE_E2E_KEEP";

/// How many minutes a long part of `tests/endurance` takes.
const MINUTES: &str = "MINTAGE_ENDURANCE_MINUTES";

/// Variables of what is run in a cluster.
type Variables = Vec<(&'static str, String)>;

/// What came of it.
pub enum Outcome {
    Passed,
    /// What is not as it should be.
    Failed(String),
    /// Why it cannot be shown on this machine.
    Skipped(String),
}

/// Runs `cargo xtask e2e`.
pub fn run(args: &Args) -> Result<ExitCode> {
    code(show(args)?)
}

fn code(outcome: Outcome) -> Result<ExitCode> {
    match outcome {
        Outcome::Passed => Ok(ExitCode::SUCCESS),
        // Whoever asked for it is told that it was not shown.
        Outcome::Failed(what) | Outcome::Skipped(what) => bail!("{what}"),
    }
}

/// Shows debug builds on a kind cluster.
pub fn kind() -> Result<Outcome> {
    show(&Args {
        cluster: Cluster::Kind,
        keep: false,
        debug: true,
    })
}

fn show(args: &Args) -> Result<Outcome> {
    let wanted = (args.cluster, args.debug, args.keep);
    on(wanted, "install, and show", |programs, mut variables| {
        if args.keep {
            variables.push((KEEP, "1".into()));
        }
        programs.run("e2e", None, &variables)
    })
}

/// Runs `cargo xtask up`.
pub fn up(args: &UpArgs) -> Result<ExitCode> {
    let folder = workspace::target()?.join("up");
    let wanted = (args.cluster, args.debug, true);
    let outcome = on(wanted, "a cluster with Mintage", |programs, variables| {
        let mut up = starter(&variables)?;
        up.arg("up").arg(&folder).envs(programs.variables());
        let is_up = process::run(&mut up)?;
        Ok(is_up
            .then_some(())
            .ok_or_else(|| "it is not up; what it said is above".to_owned()))
    });
    code(outcome?)
}

/// Builds what is wanted and does something in a cluster, which is left as it is if it is to be kept. The variables name the
/// images and, where a cluster is there already, its kubeconfig.
fn on(
    (cluster, debug, keep): (Cluster, bool, bool),
    what: &str,
    act: impl FnOnce(&ClusterPrograms, Variables) -> Result<Result<(), String>>,
) -> Result<Outcome> {
    let mut steps = Steps::new(3);
    steps.next("programs of clusters")?;
    let kind = if cluster == Cluster::Kind {
        // Before anything slow.
        match Kind::prepare()? {
            Ok(kind) => Some(kind),
            Err(reason) => return Ok(Outcome::Skipped(reason)),
        }
    } else {
        None
    };
    let programs = ClusterPrograms::prepare(cluster == Cluster::Bare)?;
    steps.next("images")?;
    let mut variables = built(debug)?;
    steps.next(what)?;
    let folder = tempfile::tempdir()?;
    let outcome = match (cluster, kind) {
        (Cluster::Kind, Some(kind)) => {
            let images = tempfile::tempdir()?;
            let archives = archives(images.path(), &programs, &variables)?;
            let cluster = match kind.cluster(folder.path(), &archives, keep)? {
                Ok(cluster) => cluster,
                Err(reason) => return Ok(Outcome::Skipped(reason)),
            };
            // The node has them.
            images.close()?;
            variables.push((KUBECONFIG, place::text(cluster.kubeconfig())?));
            let outcome = act(&programs, variables)?;
            cluster.end()?;
            outcome
        }
        (Cluster::Current, _) => {
            let kubeconfig = current::kubeconfig(folder.path())?;
            // Where they can be found again, to be loaded.
            let folder = workspace::target()?.join("e2e-images");
            let archives = archives(&folder, &programs, &variables)?;
            current::has_images(&kubeconfig, &archives)?;
            variables.push((KUBECONFIG, place::text(&kubeconfig)?));
            act(&programs, variables)?
        }
        _ => act(&programs, variables)?,
    };
    Ok(match outcome {
        Ok(()) => Outcome::Passed,
        Err(what) => Outcome::Failed(what),
    })
}

/// Runs a part of `tests/endurance` on debug builds, so many minutes if it is a long one; `Err` says what is not as it should
/// be.
pub fn endurance(part: &str, minutes: u64) -> Result<Result<(), String>> {
    let programs = ClusterPrograms::prepare(true)?;
    let mut variables = built(true)?;
    variables.push((MINUTES, minutes.to_string()));
    programs.run("endurance", Some(part), &variables)
}

/// Shows an endpoint behind what others made, on debug builds; `Err` says what is not as it should be.
pub fn outside() -> Result<Result<(), String>> {
    let programs = ClusterPrograms::prepare_outside()?;
    programs.run("outside", None, &built(true)?)
}

/// Builds what runs in clusters; the variables in which it is found.
fn built(debug: bool) -> Result<Variables> {
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
fn archives(
    folder: &Path,
    programs: &ClusterPrograms,
    variables: &[(&'static str, String)],
) -> Result<Vec<PathBuf>> {
    let mut command = starter(variables)?;
    command.envs(programs.variables());
    let said = process::read(command.arg("images").arg(folder)).context("images")?;
    Ok(said.lines().map(PathBuf::from).collect())
}
