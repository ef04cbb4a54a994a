//! `cargo xtask test`: prepares what the tests need, runs all of them, and adds the runners' totals up.
//!
//! ```text
//! tools ──► compat clients ──► control plane ──► programs ──► Rust ──► compat ──► cluster ──► summary
//!             └─────── in the cache ────┘                       └── libtest's lines, skip log ──┘
//! ```

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::ValueEnum;

use crate::progress::{Steps, say};
use crate::{process, workspace};

mod browser;
mod clients;
mod cluster;
mod edge;
mod library;
mod libtest;
mod packages;
mod skips;
mod suite;
mod tools;

use clients::Client;
use libtest::{Report, Totals};
use suite::Suite;

/// The options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Run only the tests whose name contains this
    filter: Option<String>,
    /// Run only one kind of tests
    #[arg(long, value_enum)]
    only: Option<Kind>,
    /// The tests that may be skipped in CI
    #[arg(long, value_name = "FILE", default_value = "tests/skips.txt")]
    skip_list: PathBuf,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// The real API server of tests/apiserver, the real pods of tests/pods, the charts of tests/charts, and the cluster of
    /// tests/e2e
    Cluster,
    /// The stock client libraries of tests/compat, the proxies and the browser of tests/edge, the pages of tests/browser
    Compat,
    /// The workspace's own tests
    Rust,
}

impl Args {
    fn wants(&self, kind: Kind) -> bool {
        self.only.is_none_or(|only| only == kind)
    }
}

/// Runs `cargo xtask test`. Its last line on standard output is `N passed, N failed, N skipped`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let allowed = skips::read_list(&workspace::root().join(&args.skip_list))?;
    let [rust, compat, cluster] =
        [Kind::Rust, Kind::Compat, Kind::Cluster].map(|kind| args.wants(kind));
    let mut steps = Steps::new(
        2 + usize::from(compat || cluster)
            + 2 * usize::from(rust)
            + 2 * (usize::from(compat) + usize::from(cluster)),
    );
    let mut report = Report::default();

    let mut clients = Vec::new();
    if rust {
        steps.next("a database for the endpoint's store")?;
        clients.push(Client::found("postgres", packages::postgres())?);
    }
    if compat || cluster {
        steps.next("tools for what other people made")?;
        let tools = tools::find()?;
        if compat {
            steps.next("compat clients")?;
            clients.extend(Client::prepare_all(&tools)?);
            clients.extend(edge::prepare_all(&tools)?);
            clients.extend(browser::prepare_all(&tools)?);
        }
        if cluster {
            steps.next("the control plane of a cluster")?;
            clients.extend(cluster::prepare_all(&tools)?);
        }
    }

    steps.next("programs under test")?;
    // Not xtask, which is running.
    let built = process::run(workspace::cargo().args([
        "build",
        "--workspace",
        "--exclude",
        "xtask",
        "--bins",
    ]))?;
    if built {
        let suite = Suite::new(args.filter.as_deref(), &clients)?;
        if rust {
            steps.next("Rust tests")?;
            suite.run(&["--workspace"], &mut report)?;
        }
        if compat {
            steps.next("compat tests")?;
            suite.run(&tests_package(&["browser", "compat", "edge"]), &mut report)?;
        }
        if cluster {
            steps.next("cluster tests")?;
            let targets = tests_package(&["apiserver", "charts", "pods", "e2e"]);
            suite.run(&targets, &mut report)?;
        }
    } else {
        report.fail("the build of the workspace's programs".into());
    }

    steps.next("summary")?;
    if env::var("CI").is_ok_and(|ci| ci == "true") {
        report.refuse_skips_except(&allowed, &args.skip_list);
    }
    let ran = report.totals() != Totals::default();
    if !ran {
        say("no test has such a name")?;
    }
    report.print()?;
    Ok(if ran && report.totals().failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prepares the programs of a control plane; the variables in which whoever starts one finds them.
pub fn control_plane() -> anyhow::Result<Vec<(String, String)>> {
    let tools = tools::find()?;
    let programs = cluster::prepare(&tools)?;
    Ok(programs.iter().map(Client::variable).collect())
}

/// The programs that a whole cluster is started with, or those that speak to one that is there.
pub struct ClusterPrograms(Vec<Client>);

impl ClusterPrograms {
    /// Prepares them.
    pub fn prepare(started: bool) -> anyhow::Result<Self> {
        let tools = tools::find()?;
        Ok(Self(if started {
            cluster::prepare_bare(&tools)?
        } else {
            cluster::prepare_tools(&tools)?
        }))
    }

    /// Prepares what a whole cluster is started with, and what stands around an endpoint by others.
    pub fn prepare_outside() -> anyhow::Result<Self> {
        Ok(Self(cluster::prepare_outside(&tools::find()?)?))
    }

    /// Prepares kind alone.
    pub fn prepare_kind() -> anyhow::Result<Self> {
        Ok(Self(cluster::prepare_kind(&tools::find()?)?))
    }

    /// Prepares what a node image of kind's is made of, and what it is made with.
    pub fn prepare_node() -> anyhow::Result<Self> {
        Ok(Self(cluster::prepare_node(&tools::find()?)?))
    }

    /// Where one of them is, or why it is not to be had.
    pub fn path(&self, name: &str) -> Result<PathBuf, String> {
        let found = self.0.iter().find_map(|client| client.path(name));
        let found = found.unwrap_or(Err("it is not among the programs"));
        found.map_err(|reason| format!("{name}: {reason}"))
    }

    /// Whether all of them are there, or why one is not.
    pub fn whole(&self) -> Result<(), String> {
        self.0.iter().try_for_each(Client::ready)
    }

    /// The variables in which others find them.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().map(Client::variable)
    }

    /// Runs a test target on a cluster, as loud as it is; `Err` says what is not as it should be.
    pub fn run(
        &self,
        target: &'static str,
        filter: Option<&str>,
        variables: &[(&'static str, String)],
    ) -> anyhow::Result<Result<(), String>> {
        let mut report = Report::default();
        let suite = Suite::new(filter, &self.0)?.loud(variables);
        suite.run(&tests_package(&[target]), &mut report)?;
        report.print()?;
        Ok(whole(&report, target))
    }
}

/// Where the files of a module lie, in the version that a folder's go.mod pins.
pub fn go_module(folder: &Path, module: &str) -> anyhow::Result<PathBuf> {
    clients::go::folder_of(folder, module, &cluster::cache()?)
}

/// Removes what Go fetched and built for clusters, which is of no use once all programs are there.
pub fn clean() -> anyhow::Result<()> {
    clients::go::clean(&cluster::cache()?)
}

/// Nothing failed and nothing was skipped.
fn whole(report: &Report, target: &str) -> Result<(), String> {
    // Nobody reads on in the morning what was skipped at night.
    let Totals {
        passed,
        failed,
        skipped,
    } = report.totals();
    if passed > 0 && failed == 0 && skipped == 0 {
        return Ok(());
    }
    Err(format!(
        "of the tests of {target}, {passed} passed, {failed} failed and {skipped} were skipped; what they said is above"
    ))
}

/// Upgrades releases of the charts from Helm 3 to Helm 4 on a control plane; `Err` says what is not as it should be.
pub fn helm_3_to_4() -> anyhow::Result<Result<(), String>> {
    let tools = tools::find()?;
    let programs = cluster::prepare_upgrade(&tools)?;
    let operator = ["build", "--package", "mintage-operator", "--bins"];
    if !process::run(workspace::cargo().args(operator))? {
        bail!("the operator could not be built");
    }
    let mut report = Report::default();
    Suite::new(None, &programs)?.run(&tests_package(&["upgrade"]), &mut report)?;
    report.print()?;
    Ok(whole(&report, "upgrade"))
}

/// Some test targets of the package that has those which need preparation.
fn tests_package(targets: &[&'static str]) -> Vec<&'static str> {
    let targets = targets.iter().flat_map(|target| ["--test", *target]);
    ["--package", "mintage-tests"]
        .into_iter()
        .chain(targets)
        .collect()
}
