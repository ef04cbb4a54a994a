//! `cargo xtask bench`: the numbers of the design's section 8, each as a ratio to a limit measured in the same run.
//!
//! ```text
//!  one core:   the release sidecar; and while it has nothing to do, bare aws-lc (the limit)
//!  the other:  the load generator; its own limit is measured against /healthz
//! ```

mod allocators;
mod cores;
mod endpoint;
mod family;
mod fixture;
mod footprint;
mod http;
mod limits;
mod load;
mod operator;
mod page;
mod peers;
mod rows;
mod server;
mod soak;
mod table;
mod tls;
mod tokens;
mod validation;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use cores::Cores;
use fixture::Fixture;
use mintage_core::UnixTime;
use rows::Effort;
use server::Server;
use table::Circumstances;

use crate::progress::say;
use crate::{process, workspace};

/// The options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Args {
    /// What to measure; the sidecar alone unless given
    #[arg(value_enum)]
    what: Option<What>,
    /// Short rounds, and no criterion benches: under a minute once everything is built
    #[arg(long)]
    quick: bool,
    /// Write docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// Measure in this process, which must be a release build
    #[arg(long, hide = true)]
    measure: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum What {
    /// The sidecar with each allocator
    Allocators,
    /// The tenant's endpoint, beside other servers, over TLS: tokens for applications and users, `/userinfo`
    Endpoint,
    /// The operator with 10,000 APIs on a real control plane; with a tenth of them if --quick
    Operator,
    /// Other issuers beside the sidecar, with the same generator in the same run
    Peers,
    /// 5,000 sidecars at the operator's stream: memory for each, and how soon a revocation is there; 200 if --quick
    Streams,
}

impl Args {
    fn effort(&self) -> Effort {
        if self.quick {
            Effort::QUICK
        } else {
            Effort::FULL
        }
    }

    /// Shows a section of the page, and writes it if that is wanted.
    fn publish(&self, section: &str, text: &str) -> Result<()> {
        say(text)?;
        if self.write {
            page::write(section, text)?;
            say(format_args!("written: docs/benchmarks.md, {section}"))?;
        }
        Ok(())
    }
}

/// Runs `cargo xtask bench`.
pub fn run(args: &Args) -> Result<ExitCode> {
    match args.what {
        Some(What::Operator) => return operator::run(args).map(|()| ExitCode::SUCCESS),
        Some(What::Streams) => return operator::streams(args).map(|()| ExitCode::SUCCESS),
        Some(What::Allocators | What::Endpoint | What::Peers) | None => {}
    }
    if args.measure {
        match args.what {
            None => measure(args)?,
            Some(What::Allocators) => allocators::measure(args)?,
            Some(What::Endpoint) => endpoint::measure(args)?,
            // They measure another process.
            Some(What::Operator | What::Streams) => {}
            Some(What::Peers) => peers::measure(args)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !args.quick && args.what.is_none() {
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
    build()?;
    // The limits are measured by optimised code, too.
    let mut command = Command::new(workspace::target()?.join("release/xtask"));
    command.args(["bench", "--measure"]);
    let what = args.what.and_then(|what| what.to_possible_value());
    command.args(what.as_ref().map(PossibleValue::get_name));
    command.args(args.quick.then_some("--quick"));
    command.args(args.write.then_some("--write"));
    Ok(if process::run(&mut command)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn build() -> Result<()> {
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
    Ok(())
}

/// Measures the operator at full size, and writes nothing.
pub fn operator() -> Result<()> {
    operator::run(&Args {
        what: Some(What::Operator),
        quick: false,
        write: false,
        measure: false,
    })
}

/// Measures 5,000 streams, and writes nothing.
pub fn streams() -> Result<()> {
    operator::streams(&Args {
        what: Some(What::Streams),
        quick: false,
        write: false,
        measure: false,
    })
}

/// The options of `cargo xtask soak`.
#[derive(clap::Args)]
pub struct SoakArgs {
    /// How long it runs
    #[arg(long, value_name = "N", default_value_t = Self::default().minutes, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
}

impl Default for SoakArgs {
    fn default() -> Self {
        Self { minutes: 6 }
    }
}

/// Runs `cargo xtask soak`.
pub fn soak(args: &SoakArgs) -> Result<ExitCode> {
    build()?;
    soak::run(&built()?, args.minutes)?;
    Ok(ExitCode::SUCCESS)
}

/// The release sidecar.
fn built() -> Result<PathBuf> {
    Ok(workspace::target()?.join("release/mintage-sidecar"))
}

/// What the rows are measured with.
struct Bench {
    binary: PathBuf,
    cores: Cores,
    effort: Effort,
    fixture: Fixture,
    server: Server,
    started: UnixTime,
}

impl Bench {
    /// A limit on the server's core, while the server has nothing to do.
    fn limit(&self, measure: impl FnOnce(Duration) -> Result<f64>) -> Result<f64> {
        self.cores.at_server(|| measure(self.effort.bare))
    }
}

/// A copy of the release sidecar, so that all rows are about one program though somebody builds meanwhile.
fn copy_of_sidecar(dir: &Path) -> Result<PathBuf> {
    let binary = dir.join("mintage-sidecar");
    let built = built()?;
    fs::copy(built, &binary).context("the release sidecar: build it, or leave --measure out")?;
    Ok(binary)
}

fn measure(args: &Args) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let binary = copy_of_sidecar(dir.path())?;
    let (cores, started, effort) = (Cores::find()?, wall_clock(), args.effort());
    let fixture = Fixture::new(started, 0)?;
    fixture.write(dir.path())?;
    let server = Server::start(&binary, dir.path(), cores, None)?;
    let idle = server.memory()?;
    let bench = Bench {
        binary,
        cores,
        effort,
        fixture,
        server,
        started,
    };
    say("the generator's own limit")?;
    let healthz = http::get("/healthz", None);
    let generator = load::flat_out(bench.server.admin, &healthz, effort.load, |_| Ok(()));
    let mut rows = tokens::measure(&bench)?;
    rows.extend(validation::measure(&bench)?);
    rows.extend(footprint::measure(&bench, idle)?);
    let run = Circumstances {
        started,
        rounds: effort.rounds,
        shared_core: cores.are_shared(),
    };
    args.publish("sidecar", &table::render(&run, &generator, &rows)?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sidecar under test uses the machine's clock, so its files must"
)]
fn wall_clock() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok());
    UnixTime(seconds.unwrap_or_default())
}
